/** What the process of a load and the process of the gateway say to each other. */

/** How somebody asks for a workspace. */
export interface Visiting {
  /** The value of the Host field. */
  readonly host: string
  readonly cookie: string
}

/** Of the gateway's process, behind a collection of garbage. Bytes and counts. */
export interface Figures {
  readonly rss: number
  /** Of that, without pages of files, such as the program itself: the kernel takes them back and reads them again as it likes. */
  readonly own: number
  readonly heap: number
  readonly heapTotal: number
  readonly external: number
  readonly fds: number
  readonly sockets: number
  readonly streams: number
}

export type Order =
  | { readonly kind: 'figures' }
  /** The first app with bob. */
  | { readonly kind: 'share' }
  | { readonly kind: 'revoke'; readonly name: string }
  /** Opens every app that may be opened. */
  | { readonly kind: 'visit'; readonly as: 'alice' | 'bob' }

export interface Answers {
  readonly figures: Figures
  readonly share: string
  readonly revoke: undefined
  readonly visit: readonly Visiting[]
}
