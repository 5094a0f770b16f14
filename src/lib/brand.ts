/**
 * Nominal types: a value of `Brand<string, 'ReturnTo'>` can only come from the one parser that casts to it,
 * so that holding it proves that the check was made.
 */
declare const brand: unique symbol
export type Brand<Value, Name extends string> = Value & { readonly [brand]: Name }
