import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { files } from './examples.gen'

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8')

test('the generator writes YAML that means the same to a YAML library', () => {
  const want: unknown = JSON.parse(read('internal/wire/gen/testdata/values.json'))

  expect(parse(read('internal/wire/gen/testdata/values.yaml'))).toStrictEqual(want)
})

interface Shown {
  at: string // of the schema, as a JSON pointer
  example: unknown
}

type Node = Record<string, unknown>

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null

/** Finds everything in a document that has the wanted member and calls found with its place. */
function walk(value: unknown, at: string, found: (node: Node, at: string) => void) {
  if (!isNode(value)) return
  found(value, at)
  for (const [name, inner] of Object.entries(value)) {
    walk(inner, `${at}/${encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'))}`, found)
  }
}

function resolve(document: unknown, ref: string): unknown {
  return ref
    .slice('#/'.length)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((node, part) => (isNode(node) ? node[part] : undefined), document)
}

/** Lists the examples of a document with the schemas that they stand beside. */
function shown(document: unknown): Shown[] {
  const all: Shown[] = []
  walk(document, '#', (node, at) => {
    if ('schema' in node && 'example' in node) all.push({ at: `${at}/schema`, example: node.example })
    if ('payload' in node && Array.isArray(node.examples)) {
      for (const { payload } of node.examples) all.push({ at: `${at}/payload`, example: payload })
    }
  })
  return all
}

const documents = [
  { path: 'docs/openapi.yaml', folder: 'routes/' },
  { path: 'docs/asyncapi.yaml', folder: 'events/' },
]

test.each(documents)('$path refers to nothing that is missing', ({ path }) => {
  const document: unknown = parse(read(path))
  const dangling: string[] = []
  walk(document, '#', (node) => {
    if (typeof node.$ref === 'string' && resolve(document, node.$ref) === undefined) dangling.push(node.$ref)
  })

  expect(dangling).toEqual([])
})

test.each(documents)('$path shows every example, and each fits its schema', ({ path, folder }) => {
  const document: unknown = parse(read(path))
  const ajv = new Ajv2020({ strict: false, formats: { 'date-time': true } })
  if (!isNode(document)) throw new Error('the document is empty')
  ajv.addSchema(document, 'document')

  const examples = shown(document)

  for (const { at, example } of examples) {
    const fits = ajv.compile({ $ref: `document${at}` })
    expect(fits(example), `${at}: ${ajv.errorsText(fits.errors)}`).toBe(true)
  }
  for (const [name, value] of Object.entries(files)) {
    if (name.startsWith(folder)) expect(examples.map(({ example }) => example), name).toContainEqual(value)
  }
})
