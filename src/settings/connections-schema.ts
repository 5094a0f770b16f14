/** What may be written about tunnels: which kinds there are, and their bounds. The same in a settings file and in a `WorkspaceManager`. */
import { Type } from 'typebox'

/** Kubernetes' own spelling of an amount: `8Gi`, `1.5G`. */
const quantity = '^[0-9]{1,15}(\\.[0-9]{1,3})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$'

const connectionSchema = Type.Object(
  {
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
    maxPerWorkspace: Type.Optional(Type.Integer({ minimum: 1 })),
    maxPerUser: Type.Optional(Type.Integer({ minimum: 1 })),
    idle: Type.Optional(Type.String({ format: 'duration' })),
    max: Type.Optional(Type.String({ format: 'duration' })),
    minMemory: Type.Optional(Type.Union([Type.Integer({ minimum: 1 }), Type.String({ pattern: quantity })])),
  },
  { additionalProperties: false },
)

/** By the name of a connection type, or a pattern with `*`. */
export const connectionsSchema = Type.Record(
  Type.String({ pattern: '^[a-z0-9*]([a-z0-9*-]{0,61}[a-z0-9*])?$' }),
  connectionSchema,
  {
    additionalProperties: false,
    default: {},
    description:
      'Which tunnels there may be, by connection type (`ssh-remote`, `ssh-over-websocket`, `port-forward`, `vscode-remote`) or a pattern with `*`; each with `port` (of SSH; never 22), `maxPerWorkspace`, `maxPerUser`, `idle`, `max`, `minMemory`. Default: all, with 2222, 10, 10 (64 and 64 for `port-forward`, which is counted by itself), 60m, 12h, and 8Gi for those of IDEs. One place of each workspace is its owner’s.',
  },
)
