/** The provider's login page: shows the form, checks the password, hands the person back to the authorization that asked. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Provider } from 'oidc-provider'
import { messageOf } from '#errors.ts'
import type { Secret } from '#settings/secret.ts'
import type { Attempts } from './attempts.ts'
import { type LoginQuestion, loginPage, messagePage, tooManyAttempts } from './pages.ts'
import type { People } from './people.ts'

export interface LoginOptions {
  /** How a program that asks is called, by its id. */
  readonly clientNames: ReadonlyMap<unknown, string>
  readonly provider: Provider
  readonly origin: string
  readonly people: People
  readonly password: Secret
  readonly attempts: Attempts
}

const longestForm = 4096

/** Answers `GET` and `POST` of {@link loginPath}; the cookie of the attempt, bound to that path, says which authorization it is for. */
export async function answerLogin(
  request: IncomingMessage,
  response: ServerResponse,
  options: LoginOptions,
): Promise<void> {
  const interaction = await options.provider.interactionDetails(request, response).catch(messageOf)
  if (typeof interaction === 'string') {
    return send(response, 400, messagePage('This login has ended', 'Go back to the application and log in again.'))
  }
  if (interaction.prompt.name !== 'login') {
    return options.provider.interactionFinished(request, response, { consent: {} }, { mergeWithLastSubmission: true })
  }
  const client = options.clientNames.get(interaction.params.client_id)
  if (request.method === 'GET' || request.method === 'HEAD') return send(response, 200, loginPage({ client }))
  if (request.method !== 'POST') return send(response, 405, messagePage('Method not allowed', 'Use the form.'))
  const { origin } = request.headers
  if (origin !== undefined && origin !== options.origin) {
    return send(response, 403, messagePage('Refused', 'This form was sent from another site.'))
  }
  const form = await readForm(request)
  if (!form) return send(response, 413, messagePage('Too long', 'The form is too long.'))
  await checkPassword(request, response, { form, client }, options)
}

async function checkPassword(
  request: IncomingMessage,
  response: ServerResponse,
  { form, client }: Pick<LoginQuestion, 'client'> & { readonly form: URLSearchParams },
  { provider, people, password, attempts }: LoginOptions,
): Promise<void> {
  const username = form.get('username') ?? ''
  const wait = attempts.wait(username)
  if (wait > 0) {
    const seconds = Math.ceil(wait / 1000)
    response.setHeader('Retry-After', seconds)
    return send(response, 429, loginPage({ client, username, fault: tooManyAttempts(seconds) }))
  }
  // Compared for unknown names too, so that the time does not tell which names exist.
  const isRight = isSame(form.get('password') ?? '', password.reveal())
  if (!isRight || !people.find(username)) {
    attempts.failed(username)
    return send(response, 401, loginPage({ client, username, fault: 'The user name or the password is wrong.' }))
  }
  attempts.succeeded(username)
  await provider.interactionFinished(
    request,
    response,
    { login: { accountId: people.subjectOf(username) } },
    { mergeWithLastSubmission: false },
  )
}

/** In constant time: of hashes, because the lengths differ. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

/** `undefined` when it is too long. */
async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk)
    length += bytes.length
    if (length > longestForm) return undefined
    chunks.push(bytes)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'))
}

export function send(response: ServerResponse, status: number, body: string): void {
  response.statusCode = status
  response.setHeader('Content-Type', 'text/html; charset=utf-8')
  response.end(body)
}
