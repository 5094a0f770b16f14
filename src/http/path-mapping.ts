/** An app may see its paths below another prefix than the public does. */

/** Both begin and end in a slash; equal where the app serves below its public prefix. */
export interface PathMapping {
  readonly publicPrefix: string
  readonly upstreamPrefix: string
}

/**
 * The public path of a path that the app wrote (with query and fragment, if it has them): below its own prefix it moves below the public one;
 * one that is below the public prefix already was written by an app that knows it. `undefined`: a path outside of the app.
 */
export function toPublicPath(path: string, mapping: PathMapping): string | undefined {
  const { publicPrefix, upstreamPrefix } = mapping
  if (publicPrefix !== '/' && isBelow(path, publicPrefix)) return path
  if (isBelow(path, upstreamPrefix)) return publicPrefix + path.slice(upstreamPrefix.length)
  return `${path}/` === upstreamPrefix ? publicPrefix : undefined
}

/**
 * Is it below the prefix however it is read? Dot segments in any spelling, backslashes and what browsers strip (tabs) lead out of it
 * or are refused with it.
 */
export function isBelow(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false
  const end = path.search(/[?#]/)
  return !climbing.test(end === -1 ? path : path.slice(0, end))
}

const climbing = /(?:^|\/)(?:\.|%2e){2}(?:$|\/)|[\\\t\r\n]/i
