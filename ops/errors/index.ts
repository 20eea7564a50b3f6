export { catalogue, type ErrorCode } from './catalogue.ts';
export type { CatalogueEntry, Recovery } from './entry.ts';
export { AfterwriteError, reasonOf, type ErrorDetails, type Where } from './error.ts';
