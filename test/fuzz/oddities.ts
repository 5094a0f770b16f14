/** What people, and other people's clients, have put in the places of a request. Some of it is right. */

export const oddMethods = [
  ...['PATCH', 'TRACE', 'CONNECT', 'get', 'Get', 'PROPFIND', 'M-SEARCH', 'PRI', 'FOO', 'GE', 'GETT'],
  ...['G ET', '"GET"', 'GET\x00', 'QUERY', 'SOURCE', 'LINK', '-', 'POST\t', 'HEAD ', '\x80GET'],
]

export const oddVersions = [
  ...['HTTP/1.0', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/3.0', 'http/1.1', 'HTTP/1.1 ', 'HTTP/1'],
  ...['HTTP/01.1', 'HTTP/1.10', 'HTTP/1,1', 'HTTP 1.1', 'HTTPS/1.1', 'RTSP/1.0', 'ICE/1.0', '', 'HTTP/+1.1'],
]

export const oddNames = [
  ...['X_A', 'X.A', 'X A', 'X-A ', ' X-A', '', 'X-\x80', 'X(A)', 'X-A\x00', '__proto__', 'X\tA', 'x-forwarded-user'],
  ...['X_Forwarded_User', 'X-Forwarded-For', 'X.Forwarded.User', 'Remote-User', 'X-Real-IP', 'Forwarded', 'Proxy'],
  ...['Content_Length', 'Transfer_Encoding', 'Content-Length\x0b', 'Cookie', 'Authorization', 'TE', 'Trailer'],
  ...[
    'HTTP_X_FORWARDED_USER',
    'X-Gatehouse-Assertion',
    'X-Forwarded-User-',
    'Max-Forwards',
    'Range',
    "X!#$%&'*+-.^_`|~",
  ],
]

export const oddValues = [
  ...['evil', 'evil\tx', ' evil ', 'evil\x00', 'evil\x01', 'evil\x7f', 'evil\x80\xff', 'evil\rX: y', 'evil\nX: y'],
  ...['evil\r\n folded', 'evil\r\n\tfolded', 'evil\x0b', '\xa0evil\xa0', '{}', 'a'.repeat(500), 'evil\r', '\x85'],
]

export const oddLengths = [
  ...['+{length}', '-{length}', '0{length}', '00000000000000000000{length}', '{length} ', '{length}\t', '{length}\x0b'],
  ...[
    '{length}, {length}',
    '{length},{length}',
    '{length}, 0',
    '0x{length}',
    '{length}.0',
    '1e1',
    '',
    ' ',
    '{length};',
  ],
  ...['{length}\x00', '"{length}"', '0', '1', '5', '18446744073709551621', '9007199254740993', '{length}a', '\xb2'],
]

export const oddCodingNames = [
  ...['transfer-encoding', 'TRANSFER-ENCODING', 'Transfer-Encoding ', ' Transfer-Encoding', 'Transfer_Encoding'],
  ...[
    'Transfer-Encoding\t',
    'Transfer-Encoding\x0b',
    'X\r\nTransfer-Encoding',
    'Transfer-Encodin\x67',
    'Transfer--Encoding',
  ],
]

export const oddCodings = [
  ...[
    'Chunked',
    'CHUNKED',
    'chunked ',
    '\tchunked',
    'chunked\x0b',
    '\x0bchunked',
    'xchunked',
    'chunkedx',
    'chunked\x00',
  ],
  ...[
    'chunked, chunked',
    'gzip, chunked',
    'chunked, identity',
    'identity, chunked',
    'identity',
    '',
    ',chunked',
    'chunked,',
  ],
  ...[
    'chunked;q=1',
    '"chunked"',
    'chunked\r\n ',
    '\r\n chunked',
    'chun\r\n ked',
    'chunked\n',
    'deflate',
    'trailers, chunked',
  ],
]

export const oddBytes = [
  '\r',
  '\n',
  '\0',
  ' ',
  '\t',
  ':',
  '\x0b',
  '\x0c',
  '\x7f',
  '\x80',
  '\xff',
  ',',
  ';',
  '0',
  '\r\n',
  '\r\n ',
  '\r\n\r\n',
]

export const oddSizes = [
  ...[
    '0{hex}',
    '0000000000000000000000{hex}',
    '{hex};a',
    '{hex};a=b',
    '{hex};a="b;\\"c"',
    '{hex} ;a',
    '{hex} ',
    ' {hex}',
  ],
  ...[
    '0x{hex}',
    '+{hex}',
    '-{hex}',
    '{hex}\t',
    '{hex};a\nb',
    '{hex};\x80',
    '{hex};\x00',
    '{hex};a\rb',
    'g',
    '',
    '{hex}h',
  ],
  ...['{hex}\x0b', '1000000000000000{hex}', 'ffffffffffffffff', '{hex};', '{hex};;', '{hex};=', '{hex};a="', '{hex},a'],
]

export const oddLineEnds = ['\n', '\r', '\r\r\n', '\r\n ', '\r\n\t', ' \r\n', '\t\r\n', '\x0b\r\n', '\n\r\n', '\0\r\n']

export const hopFields = [
  ...['Connection: close', 'Connection: keep-alive', 'Connection: X-A', 'Connection: close, X-A', 'Connection: xclose'],
  ...['Connection: Content-Length', 'Connection: Transfer-Encoding', 'Connection: Cookie, Host', 'Connection: '],
  ...['Connection: ,,', 'Connection: keep-alive, close', 'Keep-Alive: timeout=1', 'Proxy-Connection: close'],
  ...['TE: trailers', 'TE: chunked;q=1', 'Expect: 100-continue', 'Expect: 100-Continue', 'Expect: x', 'Expect: '],
  ...[
    'Upgrade: h2c',
    'Upgrade: websocket\r\nConnection: Upgrade',
    'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings',
  ],
  `Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${'A'.repeat(22)}==`,
  ...['Trailer: X-T', 'Content-Encoding: gzip', 'Transfer-Encoding: identity', 'Content-Length: 0'],
]
