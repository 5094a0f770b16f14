/** One and the same request in the three ways in which a browser may send it: as a navigation, by a script of the page, as a WebSocket. */
import { headersOf } from './echo-app.ts'
import { askRaw } from './raw-http.ts'
import { requestText, websocketFields } from './tenants.ts'

export interface Asked {
  readonly port: number
  readonly target: string
  /** The value of its Host field. */
  readonly host: string
  /** The value of its Cookie field; `undefined`: it has none. */
  readonly cookie?: string | undefined
}

export interface ThreeAnswers {
  readonly navigation: number
  /** Where the navigation is led; `undefined`: nowhere. */
  readonly location: string | undefined
  readonly script: number
  readonly socket: number
}

export const navigationFields: readonly string[] = [
  ...['Sec-Fetch-Mode', 'navigate', 'Sec-Fetch-Dest', 'document', 'Sec-Fetch-Site', 'none'],
  ...['Accept', 'text/html,application/xhtml+xml'],
]

export const scriptFields: readonly string[] = [
  ...['Sec-Fetch-Mode', 'cors', 'Sec-Fetch-Dest', 'empty', 'Sec-Fetch-Site', 'same-origin', 'Accept', '*/*'],
]

/** Over plain HTTP. */
export async function askThreeWays({ port, target, host, cookie }: Asked): Promise<ThreeAnswers> {
  const ask = (fields: readonly string[]) =>
    askRaw(port, requestText({ target, host, fields, ...(cookie === undefined ? {} : { cookie }) }))
  const navigation = await ask(navigationFields)
  const script = await ask(scriptFields)
  const socket = await ask([...websocketFields, 'Origin', `http://${host}`])
  return {
    navigation: navigation.status,
    location: headersOf(navigation, 'Location')[0],
    script: script.status,
    socket: socket.status,
  }
}
