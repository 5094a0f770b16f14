import { storeWorld } from '#test/unit/resources/store-world.ts'
import { describeResources } from './suite.ts'

for (const place of ['a file', ':memory:']) {
  describeResources(`embedded, in ${place}`, async () => {
    const world = await storeWorld()
    const { resources } = world.open(place === ':memory:' ? { file: place } : {})
    return { resources, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
  })
}
