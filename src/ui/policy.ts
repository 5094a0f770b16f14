/**
 * The header fields that every page and answer of Gatehouse's own goes out with, so that nothing of it can be framed, sniffed, cached
 * or scripted from outside. Names are lower case.
 */

/** Fields for every answer. `no-store`: an answer speaks of one person, and a shared cache or the back button must not show it to another. */
export function answerFields(externalScheme: 'http' | 'https'): Readonly<Record<string, string>> {
  return {
    'cache-control': 'no-store',
    'content-security-policy': nothingAllowed,
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    // Not `no-referrer`: with it browsers send `Origin: null` with a posted form (Fetch, "append a request Origin header"), which is refused here.
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    ...(externalScheme === 'https' ? { 'strict-transport-security': 'max-age=31536000; includeSubDomains' } : {}),
  }
}

const always = ["base-uri 'none'", "frame-ancestors 'none'"]

/** For answers that are no pages: whatever a browser takes them for, they load and run nothing. */
export const nothingAllowed = ["default-src 'none'", "form-action 'none'", ...always].join('; ')

/**
 * For a page with our scripts and styles, which the nonce names. `formTargets`: origins that a posted form may be redirected to, besides
 * our own; browsers check every hop (CSP Level 3 section 6.4.2).
 */
export function pagePolicy(nonce: string, formTargets: readonly string[]): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    "img-src 'self' data:",
    `form-action ${["'self'", ...formTargets].join(' ')}`,
    ...always,
  ].join('; ')
}

/** For a page whose only style is in it, and which runs nothing: the same bytes for everybody. */
export function stillPolicy(styleHash: string): string {
  return [
    "default-src 'none'",
    `style-src 'sha256-${styleHash}'`,
    'img-src data:',
    "form-action 'none'",
    ...always,
  ].join('; ')
}
