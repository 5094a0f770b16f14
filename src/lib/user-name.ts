/** Users as Linux distributions name them (useradd(8)): nothing in such a name means anything to a shell or to `ssh_config`. */
const form = /^[a-z_][a-z0-9_-]{0,31}$/

export function isUserName(text: string): boolean {
  return form.test(text)
}
