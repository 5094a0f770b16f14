/**
 * What a command works with once somebody is logged in: `openClient(io, name)` gives the deployment, and calls and connections in the person's name.
 * A login that is past half of its life is renewed first, by one process of all that find it so.
 *
 * @example
 * const client = await openClient(io, values.deployment)
 * const { workspaces } = await client.get(api.workspaces, WorkspaceListSchema)
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Static, TSchema } from 'typebox'
import type { Secret } from '#settings/secret.ts'
import { type Answer, type Call, call, openStream } from './api-call.ts'
import { CliFault } from './cli-fault.ts'
import { type Deployment, deploymentVariable, pickDeployment, readDeployments } from './deployments.ts'
import { dialGateway } from './dial.ts'
import { type Login, readLogin } from './logins.ts'
import type { PersonIo } from './person-io.ts'
import { loginOver, notLoggedIn, renewedLogin } from './renewal.ts'

export interface Client {
  readonly deployment: Deployment
  readonly username: string
  /** Name of the session. */
  readonly session: string
  /** The bearer that speaks for the person, at the gateway's own host alone: never printed, never put into a URL. */
  readonly secret: Secret
  /** A connection to the gateway, for what is no plain request. Throws as {@link dialGateway}. */
  dial(signal?: AbortSignal): Promise<Duplex>
  /** The answer's body, once the schema has it. Throws as {@link call}. */
  get<S extends TSchema>(path: string, schema: S): Promise<Static<S>>
  post<S extends TSchema>(path: string, schema: S, body?: unknown): Promise<Static<S>>
  /** What a schema is not known for, or no body comes from. */
  send(wish: Omit<Call, 'authorization'>): Promise<Answer>
  stream(path: string, signal?: AbortSignal): Promise<IncomingMessage>
}

/**
 * `name` as `--deployment` has it; the current deployment when absent. Throws `no_deployment`, `not_logged_in`, `login_over`, `login_exposed`.
 * The gateway is asked for nothing but a renewal, where one is due.
 */
export async function openClient(io: PersonIo, name: string | undefined): Promise<Client> {
  const deployment = await findDeployment(io, name)
  const login = await readLogin(io, deployment)
  if (!login) throw notLoggedIn(deployment)
  return clientOf(io, deployment, await renewedLogin(io, deployment, login))
}

/** The one that is meant. Throws `no_deployment`. */
export async function findDeployment(io: PersonIo, name: string | undefined): Promise<Deployment> {
  const chosen = io.env[deploymentVariable]
  return pickDeployment(await readDeployments(io), name ?? (chosen === '' ? undefined : chosen))
}

export function clientOf(io: PersonIo, deployment: Deployment, login: Login): Client {
  const { secret, username, session } = login
  const send = (wish: Omit<Call, 'authorization'>) =>
    asked(deployment, () => call(deployment, io, { ...wish, authorization: secret }))
  const checked = async <S extends TSchema>(wish: Omit<Call, 'authorization'>, schema: S) =>
    fitting(deployment, await send(wish), schema)
  return {
    ...{ deployment, username, session, secret, send },
    dial: (signal) => dialGateway(deployment, io, signal),
    get: (path, schema) => checked({ method: 'GET', path }, schema),
    post: (path, schema, body) => checked({ method: 'POST', path, ...(body === undefined ? {} : { body }) }, schema),
    stream: (path, signal = io.signal) =>
      asked(deployment, () => openStream(deployment, io, { method: 'GET', path, authorization: secret, signal })),
  }
}

/** What the gateway says, once it has the shape that it should have; a newer gateway may say more. Throws `no_gateway`. */
export async function fitting<S extends TSchema>({ url }: Deployment, answer: Answer, schema: S): Promise<Static<S>> {
  // Checking takes a library that what only opens a tunnel does not wait for.
  const { checkerOf, sayFaults } = await import('#lib/schema.ts')
  const checked = checkerOf(schema)(answer.body ?? null)
  if (checked.ok) return checked.value
  throw new CliFault('no_gateway', `${url} says something else than it should: ${sayFaults(checked.faults)}`, {
    requestId: answer.requestId,
    hint: 'Its version may not go with this one: get the command line that it serves itself.',
  })
}

/** A login that the gateway does not know any more is over, whatever its file says. */
async function asked<T>(deployment: Deployment, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof CliFault && error.code === 'unauthorized')) throw error
    throw loginOver(deployment, error.requestId)
  }
}
