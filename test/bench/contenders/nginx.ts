/** Configurations of nginx: as the upstream of everybody, and as two contenders. One process each, on the core it is pinned to. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The path of a whole configuration with this in its `http` block. */
export function writeNginx(body: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
  const file = join(folder, 'nginx.conf')
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  writeFileSync(
    file,
    `daemon off; user root; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 16384; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 300s; ${paths.join(' ')}
${body}
map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
}
`,
  )
  return file
}

/** A file of zeros, which takes no room. */
export function sparseFile(path: string, size: number): string {
  const file = openSync(path, 'w')
  ftruncateSync(file, size)
  closeSync(file)
  return path
}

/** Answers everything at once with a few bytes, and `/gigabyte` with so many. */
export function upstreamConfiguration(port: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
  sparseFile(join(folder, 'gigabyte'), 1024 ** 3)
  return writeNginx(
    `server { listen 127.0.0.1:${port} backlog=4096; sendfile on;
  location / { default_type text/plain; return 200 "hello from the workspace\\n"; }
  location = /gigabyte { root ${folder}; } }`,
  )
}

const forward = `proxy_pass http://workspace; proxy_http_version 1.1; proxy_set_header Host $host;
  proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; proxy_read_timeout 1h;
  proxy_max_temp_file_size 0; proxy_request_buffering off; client_max_body_size 0;`

export function proxyConfiguration(port: number, upstream: number): string {
  return writeNginx(`upstream workspace { server 127.0.0.1:${upstream}; keepalive 256; keepalive_requests 100000000; }
server { listen 127.0.0.1:${port} backlog=4096; location / { ${forward} } }`)
}

/** The responder is in the same process, so its time counts too. */
export function authRequestConfiguration(port: number, responder: number, upstream: number): string {
  return writeNginx(`upstream workspace { server 127.0.0.1:${upstream}; keepalive 256; keepalive_requests 100000000; }
upstream responder { server 127.0.0.1:${responder}; keepalive 256; keepalive_requests 100000000; }
server { listen 127.0.0.1:${responder} backlog=4096; location / { return 204; } }
server { listen 127.0.0.1:${port} backlog=4096;
  location / { auth_request /auth; ${forward} }
  location = /auth { internal; proxy_pass http://responder; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_pass_request_body off; proxy_set_header Content-Length ""; }
}`)
}
