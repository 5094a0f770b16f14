/** One installation of the chart with one replica, for all that needs no more: what comes up slowly is begun first, and looked at last. */
import { afterAll, beforeAll, describe } from 'vitest'
import { type ClusterSite, openSite } from '#test/support/cluster-site/site.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { betweenPlaces } from './cross-origin.ts'
import { hostileFields } from './hostile-fields.ts'
import { identities } from './identities.ts'
import { ruledOut } from './ruled-out.ts'
import { beginSlowly, type Slow, startingPods } from './starting.ts'

describeWith('helm', 'one replica', () => {
  let site: ClusterSite
  let slow: Slow
  beforeAll(async () => {
    site = await openSite({ replicas: 1 })
    slow = await beginSlowly(site)
  }, 120_000)
  afterAll(() => site?.[Symbol.asyncDispose]())

  describe('between places in a cluster', () => betweenPlaces(() => site))
  describe('objects with hostile fields', () => hostileFields(() => site))
  describe('a pod that comes up', () =>
    startingPods(
      () => site,
      () => slow,
    ))
  describe("rules of the cluster's administrators", () => ruledOut(() => site))
  describe('identities in a cluster', () => identities(() => site))
})
