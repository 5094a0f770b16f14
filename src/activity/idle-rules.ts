/** Which rule holds for which workspace: templates as they are followed, and what a workspace wishes by itself. */

import type { Reflected } from '#resources/reflect.ts'
import { refKey } from '#surface/workspace-ref.ts'
import { type TemplateSpec, templateNamesOf, type WorkspaceTemplate } from '#workspace/template.ts'
import type { Workspace } from '#workspace/workspace.ts'
import { type IdleRule, type IdleRuleOptions, idleRuleOf, noOperator, type TemplateOf } from './idle-policy.ts'

export class IdleRules {
  readonly #templates = new Map<string, TemplateSpec>()
  /** Until a template has changed. */
  #known = new WeakMap<Workspace, IdleRule>()
  readonly #options: IdleRuleOptions

  constructor(options = noOperator) {
    this.#options = options
  }

  apply(event: Reflected<WorkspaceTemplate>): void {
    switch (event.type) {
      case 'synced':
        this.#templates.clear()
        for (const template of event.objects) this.#templates.set(refKey(template.metadata), template.spec)
        break
      case 'applied':
        this.#templates.set(refKey(event.object.metadata), event.object.spec)
        break
      case 'deleted':
        this.#templates.delete(refKey(event.object.metadata))
        break
      case 'stale':
        return
    }
    this.#known = new WeakMap()
  }

  /** Of one whose template was not heard of it is unknown. */
  of(workspace: Workspace): IdleRule {
    const known = this.#known.get(workspace)
    if (known) return known
    const rule = idleRuleOf(workspace.spec.idleShutdown, templateIn(this.#templates, workspace), this.#options)
    this.#known.set(workspace, rule)
    return rule
  }
}

/** The template that a workspace is made after, of those that are known by namespace and name. */
export function templateIn(templates: ReadonlyMap<string, TemplateSpec>, workspace: Workspace): TemplateOf {
  const names = templateNamesOf(workspace)
  const [template] = names.flatMap((name) => templates.get(refKey(name)) ?? [])
  return template ?? (names.length === 0 ? 'none' : 'missing')
}
