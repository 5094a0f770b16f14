/** What every part of the benchmark goes by. */
import type { Turn } from '../turn.ts'
import type { BenchSite } from './site.ts'
import type { Chain } from './workspace-chain.ts'

export interface Scene {
  readonly site: BenchSite
  readonly chains: readonly Chain[]
  /** Where the apps listen, at every address. */
  readonly appPort: number
  readonly rounds: number
  /** Of one run of wrk. */
  readonly seconds: number
  /** What is measured runs in here. */
  readonly inTurn: Turn
  readonly say: (text: string) => void
}

export const gatewayCore = 0
/** For the load, and for what stands for the apps. */
export const loadCore = 1

/** What a gateway does at first, or after others have left, is done. */
export const settling = 5_000
