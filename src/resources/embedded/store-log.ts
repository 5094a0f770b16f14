/** What the embedded store tells the operator of the machine. */
import type { Log } from '#observe/log.ts'

export type StoreLog = Pick<Log, 'info' | 'warn' | 'error'>
