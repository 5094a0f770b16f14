import { expect, test } from 'vitest'
import { type AppTraits, profileOf } from '#activity/profile.ts'

const main: AppTraits = { appType: undefined, image: undefined, portName: 'http', port: 8888, isMain: true }

test.each([
  ['JupyterLab', 'jupyterlab'],
  ['notebook', 'jupyterlab'],
  ['code-editor', 'code-editor'],
  ['VSCode', 'code-editor'],
  ['RStudio', 'rstudio'],
  ['streamlit', 'streamlit'],
  ['mine', 'generic'],
])('appType %s: %s, whatever the image', (appType, profile) => {
  expect(profileOf({ ...main, appType, image: 'jupyter/scipy-notebook' })).toBe(profile)
})

test.each([
  ['quay.io/jupyter/scipy-notebook:2026-10-05', 'jupyterlab'],
  ['registry:5000/team/jupyterlab@sha256:00', 'jupyterlab'],
  ['codercom/code-server:4.1', 'code-editor'],
  ['gitpod/openvscode-server', 'code-editor'],
  ['rocker/rstudio:4', 'rstudio'],
  // Runs whatever it is told to.
  ['public.ecr.aws/sagemaker/sagemaker-distribution:3.4.2-gpu', 'generic'],
  ['jupyterlab/my-own-app', 'generic'],
  [undefined, 'generic'],
])('without an appType, image %s: %s', (image, profile) => {
  expect(profileOf({ ...main, image })).toBe(profile)
})

test('what a workspace is said to be is said of its main port alone; others are known by their own name or number', () => {
  const beside = { appType: 'jupyterlab', image: 'jupyter/scipy-notebook', isMain: false }
  expect(profileOf({ ...beside, portName: 'app', port: 9000 })).toBe('generic')
  expect(profileOf({ ...beside, portName: 'code-server', port: 9000 })).toBe('code-editor')
  expect(profileOf({ ...beside, portName: 'app', port: 8501 })).toBe('streamlit')
  expect(profileOf({ ...beside, portName: 'app', port: 8787 })).toBe('rstudio')
})
