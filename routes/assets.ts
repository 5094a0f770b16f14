/** The files that pages load. The address names their version: what it names never changes, and may be kept for ever. */
import type { FastifyInstance } from 'fastify'
import { notFound } from '#surface/problem.ts'
import { paths } from '#surface/urls.ts'
import { refuse } from './answer.ts'

interface AssetRoute {
  Params: { version: string; file: string }
}

export async function assetRoutes(app: FastifyInstance): Promise<void> {
  app.get<AssetRoute>(`${paths.assets}:version/:file`, async (request, reply) => {
    const { assets } = app.surface
    const asset = assets.find(request.params.file)
    if (!asset) return refuse(request, reply, notFound)
    // While replicas of two versions run, a page of one may ask the other: it gets this one's file, but not for ever.
    const isThisVersion = request.params.version === assets.version
    reply.header('cache-control', isThisVersion ? 'public, max-age=31536000, immutable' : 'no-cache')
    reply.header('etag', asset.etag)
    if (request.headers['if-none-match'] === asset.etag) return reply.code(304).send()
    return reply.type(asset.mediaType).send(asset.body)
  })
}
