/** One gateway of several, and what it says to a GET of a workspace. */
import { type Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'

export interface Replica {
  readonly host: string
  readonly port: number
}

export interface Page {
  readonly status: number
  readonly body: string
}

export function getPage(
  { host, port }: Replica,
  headers: Readonly<Record<string, string>>,
  agent: Agent | false = false,
): Promise<Page> {
  return new Promise((resolve, reject) => {
    const asked = request({ host, port, path: '/', headers, agent }, (answer) => {
      text(answer).then((body) => resolve({ status: answer.statusCode ?? 0, body }), reject)
    })
    asked.once('error', reject)
    asked.end()
  })
}
