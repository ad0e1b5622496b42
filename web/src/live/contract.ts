import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020'
import type { Socket } from 'socket.io-client'
import { parse } from 'yaml'

const ajv = new Ajv2020({ strict: false, formats: { 'date-time': true } })
for (const name of ['asyncapi', 'openapi']) {
  ajv.addSchema(parse(readFileSync(fileURLToPath(new URL(`../../../docs/${name}.yaml`, import.meta.url)), 'utf8')) as object, name)
}

const compiled = new Map<string, ValidateFunction>()

function check(pointer: string, value: unknown): void {
  let fits = compiled.get(pointer)
  if (!fits) compiled.set(pointer, (fits = ajv.compile({ $ref: pointer })))
  if (!fits(value)) throw new Error(`${pointer}: ${ajv.errorsText(fits.errors)}`)
}

const escaped = (part: string) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))

/** Checks the payload of an event. */
export function checkEvent(name: string, payload: unknown): void {
  check(`asyncapi#/components/messages/${escaped(name.replaceAll(':', '.'))}/payload`, payload)
}

/** Checks what acknowledges an event. */
export function checkAck(event: string, ack: object): void {
  if ('error' in ack) check('asyncapi#/components/schemas/Failure', ack)
  else checkEvent(`${event}.ack`, ack)
}

/** Checks the answer of a route, named by its pattern. */
export function checkAnswer(method: string, pattern: string, status: number, body: unknown): void {
  check(`openapi#/paths/${escaped(pattern)}/${method.toLowerCase()}/responses/${status}/content/${escaped('application/json')}/schema`, body)
}

/** Holds everything that a socket hears to the contract; what breaks it is thrown by the returned function. */
export function hold(socket: Socket): () => void {
  const broken: unknown[] = []
  socket.onAny((name: string, payload: unknown) => {
    try {
      checkEvent(name, payload)
    } catch (error) {
      broken.push(error)
    }
  })
  return () => {
    if (broken.length > 0) throw broken[0]
  }
}
