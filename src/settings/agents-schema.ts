/** What may be written about agents: whose workspaces are reached through them, and how replicas reach those of one another. */
import { Type } from 'typebox'

const path = (description: string) => Type.String({ minLength: 1, format: 'path', description })

const peersSchema = Type.Object(
  {
    port: Type.Integer({ minimum: 1, maximum: 65_535, description: 'Port to listen on, for other replicas.' }),
    certFile: path('PEM file of a certificate for `gatehouse-peers`, as client and as server.'),
    keyFile: path('PEM file of its private key.'),
    caFile: path('PEM file of the authority, which issues nothing else: whoever has a certificate of it is a replica.'),
  },
  {
    additionalProperties: false,
    description:
      'How replicas reach agents that are connected to another one. Without it there must be one replica alone. Each says by `GATEHOUSE_POD_IP` where it is.',
  },
)

export const agentsSchema = Type.Object(
  {
    namespaces: Type.Array(Type.String({ pattern: '^(\\*|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$' }), {
      default: [],
      description:
        'Namespaces whose workspaces are reached through `gatehouse agent` in their pod, and in no other way; `*`: all. In the gateway of a cluster alone.',
    }),
    peers: Type.Optional(peersSchema),
  },
  {
    additionalProperties: false,
    default: {},
    description: 'Workspaces that nothing connects to: an agent in their pod connects to the gateway.',
  },
)
