/** Where servers have what is for those who run them: what is asked for by whoever looks for a way in. */

/** What others have at the root. */
export const knownOperations = [
  ...['/metrics', '/healthz', '/readyz', '/livez', '/health', '/status', '/server-status', '/stats', '/version'],
  ...[
    '/debug',
    '/debug/pprof/',
    '/debug/pprof/heap',
    '/debug/vars',
    '/debug/requests',
    '/trace',
    '/heapdump',
    '/inspect',
  ],
  ...[
    '/json',
    '/json/list',
    '/json/version',
    '/__debug__/',
    '/_profiler',
    '/actuator',
    '/actuator/env',
    '/admin',
    '/_admin',
  ],
  ...[
    '/api/routes',
    '/api/proxy',
    '/config',
    '/config_dump',
    '/env',
    '/.env',
    '/.git/config',
    '/package.json',
    '/swagger.json',
  ],
]
/** Below Gatehouse's own prefix. */
export const ownOperations = [
  ...[
    'metrics',
    'healthz',
    'readyz',
    'debug',
    'debug/pprof/',
    'admin',
    'config',
    'env',
    'log',
    'logs',
    'state',
    'keys',
    'key-ring',
  ],
  ...['api/v1/debug', 'api/v1/metrics', 'api/v1/log', 'api/v1/config', 'api/v1/audit', 'api/v2/', 'api/', ''],
].map((path) => `/.gatehouse/${path}`)
