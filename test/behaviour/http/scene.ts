/** A whole gateway in front of one app of the test, with two people who may use it, for requests as bytes on a socket. */
import type { Endpoint } from '#runtime/contract.ts'
import { openRaw, type RawConnection } from '#test/support/raw-http.ts'
import { requestText } from '#test/support/tenants.ts'
import { createWorld, type World, type WorldOptions } from '#test/support/world.ts'
import { authorityOf, placeOf } from '#workspace/address.ts'
import { declare } from '../gateway/scene.ts'

export interface HttpScene extends AsyncDisposable {
  readonly world: World
  /** The value of the Host field. */
  readonly host: string
  readonly origin: string
  readonly cookies: { readonly alice: string; readonly bob: string }
  /** The bytes of a request by alice, if by nobody else; its `fields` are lines without their ends. */
  request(line: string, fields?: readonly string[], by?: 'alice' | 'bob' | 'nobody'): string
  open(port?: number): Promise<RawConnection>
}

export async function httpScene(endpoint: Endpoint, options: WorldOptions = {}): Promise<HttpScene> {
  await using opened = new AsyncDisposableStack()
  const world = opened.use(await createWorld(options))
  const { ref, url } = await declare(world, {
    owner: 'alice',
    spec: { desiredStatus: 'Running', accessType: 'Public' },
    endpoints: { 8888: endpoint },
  })
  await world.until(() => world.open.workspaces.directory.get(ref)?.state.phase === 'Running', 'it runs')
  const host = authorityOf(world.open.site, placeOf(world.open.site, ref, undefined).host)
  const cookieOf = async (username: string) => {
    const browser = await world.as(username)
    await browser.open(url)
    const cookie = browser.cookieHeader(url)
    if (cookie === undefined) throw new Error(`${username} got no cookie: ${browser.page.status}`)
    return cookie
  }
  const [alice, bob] = await Promise.all([cookieOf('alice'), cookieOf('bob')])
  const cookies = { alice, bob }
  const origin = `http://${host}`
  const running = opened.move()
  return {
    ...{ world, host, origin, cookies },
    request(line, fields = [], by = 'alice') {
      const [method = '', target = '', version = 'HTTP/1.1'] = line.split(' ')
      const flat = [`Origin: ${origin}`, ...fields].flatMap((field) => {
        const colon = field.indexOf(':')
        return [field.slice(0, colon), field.slice(colon + 1).trimStart()]
      })
      const cookie = by === 'nobody' ? {} : { cookie: cookies[by] }
      return requestText({ method, target, version, host, ...cookie, fields: flat })
    },
    open: (port = world.port) => openRaw(port),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
