/** `/.gatehouse/ssh/…`: certificates for whoever comes by SSH, and the lines by which clients and pods trust them. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { checkerOf } from '#lib/schema.ts'
import { type Outcome, problem } from '#surface/problem.ts'
import {
  type SshCertificateRequest,
  SshCertificateRequestSchema,
  type SshCertificateView,
  type SshHostCertificateRequest,
  SshHostCertificateRequestSchema,
  type SshHostCertificateView,
  type SshTrust,
} from '#surface/ssh-messages.ts'
import { paths } from '#surface/urls.ts'
import { refuse, sendOutcome } from './answer.ts'
import type { Eventually } from './parameters.ts'
import { type Actor, actorOf, requireSession } from './visitor.ts'

export interface SshRoutes {
  /** Throws `store_unavailable`. */
  readonly sshTrust: () => SshTrust
  readonly certify: (
    actor: Actor & { readonly via: 'cookie' | 'bearer' },
    request: SshCertificateRequest,
  ) => Eventually<Outcome<SshCertificateView>>
  /** By a token of the pod's own. */
  readonly certifyHost: (
    token: string | undefined,
    request: SshHostCertificateRequest,
    by: { readonly requestId: string; readonly client: string },
  ) => Eventually<Outcome<SshHostCertificateView>>
}

export async function sshRoutes(app: FastifyInstance, options: SshRoutes): Promise<void> {
  await app.register(certificateRoutes, options)
  await app.register(hostRoutes, options)

  // What they say is public: with it nobody can do anything but check what others show.
  app.get(paths.sshTrust, async (_request, reply) => fresh(reply).send(options.sshTrust()))
  app.get(paths.sshUserAuthorities, async (_request, reply) => lines(reply, options.sshTrust().userAuthorities))
  app.get(paths.sshKnownHosts, async (_request, reply) => lines(reply, options.sshTrust().knownHosts))
}

async function certificateRoutes(app: FastifyInstance, options: SshRoutes): Promise<void> {
  requireSession(app)
  const check = checkerOf(SshCertificateRequestSchema)

  app.post(paths.sshCertificate, async (request, reply) => {
    const checked = check(request.body ?? null)
    if (!checked.ok) return refuse(request, reply, problem('bad_request', 400))
    const outcome = await options.certify({ ...actorOf(request), via: viaOf(request) }, checked.value)
    return sendOutcome(request, reply, outcome, (certificate) => reply.send(certificate))
  })
}

const bearer = /^bearer +(\S+)$/i

async function hostRoutes(app: FastifyInstance, options: SshRoutes): Promise<void> {
  const check = checkerOf(SshHostCertificateRequestSchema)

  app.post(paths.sshHostCertificate, async (request, reply) => {
    const checked = check(request.body ?? null)
    if (!checked.ok) return refuse(request, reply, problem('bad_request', 400))
    const token = bearer.exec(request.head.authorization ?? '')?.[1]
    const by = { requestId: request.id, client: request.client }
    const outcome = await options.certifyHost(token, checked.value, by)
    return sendOutcome(request, reply, outcome, (certificate) => reply.send(certificate))
  })
}

function viaOf({ visitor }: FastifyRequest): 'cookie' | 'bearer' {
  return visitor.kind === 'session' ? visitor.via : 'cookie'
}

/** A key that was taken out must not live on in a cache. */
function fresh(reply: FastifyReply): FastifyReply {
  return reply.header('cache-control', 'no-cache')
}

function lines(reply: FastifyReply, text: readonly string[]): FastifyReply {
  return fresh(reply)
    .type('text/plain; charset=utf-8')
    .send(text.map((line) => `${line}\n`).join(''))
}
