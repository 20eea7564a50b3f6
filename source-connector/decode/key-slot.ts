// Sinks need it, too.
export { isInSlots, keySlot, SLOTS, type SlotRange } from '../../clients/redis/key-slot.ts';
