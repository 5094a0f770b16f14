/** What the Dockerfile makes; `.ci/run` makes it without Docker, kind and k3d load it. */
export const gatewayImage = process.env.GATEHOUSE_TEST_GATEWAY_IMAGE ?? 'docker.io/local/gatehouse:test'
