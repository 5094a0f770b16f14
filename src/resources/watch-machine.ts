/**
 * Where a reader of one kind stands, after the states of kube-rs' watcher: a pure and total function from a state and what happened to the next
 * state. What is done about a state is the reader's business (`follow.ts`): `empty` asks for a list, `listed` for a watch.
 */
import type { ResourceVersion } from './contract.ts'

export type WatchState =
  /** No version to resume from: everything has to be listed, for the first time or again. */
  | { readonly at: 'empty' }
  | { readonly at: 'listing' }
  /** Everything up to `version` is known, and nobody tells what follows. */
  | { readonly at: 'listed'; readonly version: ResourceVersion }
  | { readonly at: 'watching'; readonly version: ResourceVersion }

export type WatchInput =
  /** The list or the watch that the state asks for has begun. */
  | { readonly type: 'begun' }
  | { readonly type: 'listed'; readonly version: ResourceVersion }
  /** An event, heartbeat or bookmark of a watch. */
  | { readonly type: 'moved'; readonly version: ResourceVersion }
  /** The server ended it without a fault, as it does now and then. */
  | { readonly type: 'ended' }
  /** Refused, lost, hung, or an answer that makes no sense. */
  | { readonly type: 'failed' }
  /** The version is too old to resume from (410). */
  | { readonly type: 'expired' }
  /** It is open, but does not bring what is written: only a list tells the truth. */
  | { readonly type: 'silent' }

export const initial: WatchState = { at: 'empty' }

/** Whatever makes no sense in a state changes nothing. */
export function step(state: WatchState, input: WatchInput): WatchState {
  switch (state.at) {
    case 'empty':
      return input.type === 'begun' ? { at: 'listing' } : state
    case 'listed':
      return input.type === 'begun' ? { at: 'watching', version: state.version } : state
    case 'listing':
      return whileListing(state, input)
    case 'watching':
      return whileWatching(state, input)
  }
}

function whileListing(state: WatchState & { at: 'listing' }, input: WatchInput): WatchState {
  switch (input.type) {
    case 'listed':
      return { at: 'listed', version: input.version }
    case 'ended':
    case 'failed':
    case 'expired':
    case 'silent':
      return initial
    case 'begun':
    case 'moved':
      return state
  }
}

function whileWatching(state: WatchState & { at: 'watching' }, input: WatchInput): WatchState {
  switch (input.type) {
    case 'moved':
      return { at: 'watching', version: input.version }
    case 'ended':
    case 'failed':
      return { at: 'listed', version: state.version }
    case 'expired':
    case 'silent':
      return initial
    case 'begun':
    case 'listed':
      return state
  }
}
