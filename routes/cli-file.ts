/** `/.gatehouse/cli`: the command line as one file, for whoever has a Node; it holds nothing of anybody. */
import type { FastifyInstance } from 'fastify'
import type { Problem } from '#surface/problem.ts'
import { paths } from '#surface/urls.ts'
import { refuse } from './answer.ts'

export interface CliFile {
  readonly body: Buffer
  /** With its quotation marks. */
  readonly etag: string
  /** RFC 9530: `sha-256=:…:`. */
  readonly digest: string
}

export interface CliFileRoutes {
  /** `undefined`: it was not made here. */
  readonly cliFile: CliFile | undefined
}

export async function cliFileRoutes(app: FastifyInstance, { cliFile }: CliFileRoutes): Promise<void> {
  app.get(paths.cliFile, async (request, reply) => {
    if (!cliFile) return refuse(request, reply, notMade)
    const { body, etag, digest } = cliFile
    reply.header('etag', etag).header('cache-control', 'no-cache').header('repr-digest', digest)
    if (request.headers['if-none-match'] === etag) return reply.code(304).send()
    return reply
      .type('text/javascript; charset=utf-8')
      .header('content-disposition', 'attachment; filename="gatehouse.cjs"')
      .send(body)
  })
}

const notMade: Problem = {
  code: 'not_found',
  status: 404,
  title: 'This gateway has no command line to hand out.',
  detail: '"npm run bundle" makes it.',
}
