export { catalogue, type CatalogueEntry, type ErrorCode, type Recovery } from './catalogue.ts';
export { AfterwriteError, reasonOf, type ErrorDetails, type Where } from './error.ts';
