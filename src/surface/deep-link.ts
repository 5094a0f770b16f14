/** Where exactly in an app somebody wanted to go before it ran. */

/** Longer ones are not followed; the app's front page serves. */
const longest = 2048

/**
 * The address of `to` in the app at `base` (an absolute URL that ends in a slash). `to` is the raw tail of the request target behind the app's
 * prefix: it starts with a slash and has its query. It comes from a URL that anybody can write, so whatever would lead out of the app
 * in a browser's reading (`..`, a backslash, a control character) gives the app's front page instead.
 */
export function deepLink(base: string, to: string | undefined): string {
  if (to === undefined || to.length > longest || !/^\/[\x21-\x5b\x5d-\x7e]*$/.test(to)) return base
  const wanted = base + to.slice(1)
  // A difference would mean that a browser reads another place than the one written here.
  return URL.parse(wanted)?.href === wanted ? wanted : base
}
