/** The layers of the source, bottom first. Imports only go down; within a layer, only as listed. */

const layers: readonly (readonly string[])[] = [
  ['lib'],
  ['http', 'ssh', 'resume'],
  ['surface', 'settings', 'observe'],
  ['resources'],
  ['runtime', 'live'],
  ['identity', 'proxy', 'tunnel', 'link'],
  ['workspace'],
  ['activity'],
  ['operator', 'gateway'],
  ['server', 'ui'],
  ['cli', 'routes', 'idp'],
  ['compose'],
  ['main'],
]

/** What a layer above may still not import. */
const walls: readonly { readonly from: readonly string[]; readonly to: readonly string[]; readonly why: string }[] = [
  {
    from: ['proxy', 'tunnel', 'link'],
    to: ['surface', 'resources', 'runtime'],
    why: 'transport knows HTTP and bytes, and no workspace',
  },
  {
    from: ['server', 'ui', 'cli', 'routes'],
    to: ['gateway'],
    why: 'the composition alone puts them together',
  },
  {
    from: ['idp'],
    to: ['identity', 'workspace', 'proxy', 'server', 'gateway', 'operator'],
    why: 'the embedded provider is a party of its own, which has its look in common with us',
  },
  { from: ['resources'], to: ['settings'], why: 'a store is given what it needs' },
]

/** `lib`, `routes`, `main`; `errors` is below all layers. */
export function areaOf(path: string): string | undefined {
  if (path === 'src/errors.ts') return 'errors'
  if (path === 'src/main.ts') return 'main'
  if (path === 'src/compose.ts') return 'compose'
  const [top, folder, ...rest] = path.split('/')
  if (top === 'routes') return 'routes'
  return top === 'src' && rest.length > 0 ? folder : undefined
}

/** 0 is the lowest; `undefined` for a file that belongs to no layer. */
export function layerOf(path: string): number | undefined {
  const area = areaOf(path)
  if (area === undefined) return undefined
  if (area === 'errors') return -1
  const layer = layers.findIndex((areas) => areas.includes(area))
  return layer === -1 ? undefined : layer
}

export function mayImport(from: string, to: string): boolean {
  const [above, below] = [layerOf(from), layerOf(to)]
  if (above === undefined || below === undefined) return false
  const [source, target] = [areaOf(from) ?? '', areaOf(to) ?? '']
  if (source === target) return true
  return below < above && !walls.some((wall) => wall.from.includes(source) && wall.to.includes(target))
}
