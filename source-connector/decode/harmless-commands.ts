/**
 * Commands that stand in a replication stream and never change, create or remove a hash. A command of another type
 * that meets a hash is refused by the master (WRONGTYPE) and is not replicated, so a key that it touches is no hash
 * before and none after; one that overwrites whatever it meets (SET, SUNIONSTORE …) does not belong here.
 */
const STRINGS =
  'APPEND BITFIELD DECR DECRBY GETDEL GETEX GETSET INCR INCRBY INCRBYFLOAT MSETNX PFADD PFCOUNT PFDEBUG PFMERGE SETBIT SETNX SETRANGE';
const LISTS =
  'BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH LINSERT LMOVE LMPOP LPOP LPUSH LPUSHX LREM LSET LTRIM RPOP RPOPLPUSH RPUSH RPUSHX';
const SETS = 'SADD SMOVE SPOP SREM';
const SORTED_SETS =
  'BZMPOP BZPOPMAX BZPOPMIN GEOADD ZADD ZINCRBY ZMPOP ZPOPMAX ZPOPMIN ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE';
const STREAMS = 'XACK XACKDEL XADD XAUTOCLAIM XCLAIM XDEL XDELEX XGROUP XREADGROUP XSETID XTRIM';
/** Expiry of single fields: the fields themselves go by HDEL, which the master sends. */
const FIELD_EXPIRY = 'HEXPIRE HEXPIREAT HGETEX HPERSIST HPEXPIRE HPEXPIREAT';
const NO_DATA = 'FUNCTION PING PUBLISH SCRIPT SPUBLISH';

export const HARMLESS_COMMANDS: readonly string[] = [STRINGS, LISTS, SETS, SORTED_SETS, STREAMS, FIELD_EXPIRY, NO_DATA]
  .join(' ')
  .split(' ');
