/** What a field of HTTP may be made of: whoever writes one looks here, so that all refuse the same. */

/** RFC 9110 section 5.6.2. */
export const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** RFC 9112 section 6.2 and RFC 9110 section 5.5; a character above U+00FF would be cut down to another one when written. */
export const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/

/** In lower case: fields that speak of one connection, and have no place in HTTP/2 (RFC 9113 section 8.2.2). */
export const connectionFields: ReadonlySet<string> = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings'],
])
