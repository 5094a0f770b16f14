/** `/.gatehouse/jwks.json`: the public keys of the identity assertions (RFC 7517), for apps that check them. */
import type { FastifyInstance } from 'fastify'
import { paths } from '#surface/urls.ts'

export interface JwksRoutes {
  readonly jwks: () => object
}

export async function jwksRoutes(app: FastifyInstance, options: JwksRoutes): Promise<void> {
  app.get(paths.jwks, async (_request, reply) =>
    reply
      .header('cache-control', 'public, max-age=60')
      .header('cross-origin-resource-policy', 'cross-origin')
      .type('application/jwk-set+json')
      .send(JSON.stringify(options.jwks())),
  )
}
