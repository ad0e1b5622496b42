// How the former design keeps texts: AES-256-GCM with a nonce of 16 bytes, as one run of
// hexadecimal digits: nonce, tag, ciphertext.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

const key = Buffer.from(process.env.MESSAGE_ENCRYPTION_KEY ?? '', 'hex')

export function encrypt(text) {
  const nonce = randomBytes(16)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  const sealed = cipher.update(text, 'utf8', 'hex') + cipher.final('hex')
  return nonce.toString('hex') + cipher.getAuthTag().toString('hex') + sealed
}

export const encrypted = (text) => typeof text === 'string' && text.length > 64 && /^[a-f0-9]+$/i.test(text)

export function decrypt(text) {
  if (!encrypted(text)) return text
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(text.slice(0, 32), 'hex'))
    decipher.setAuthTag(Buffer.from(text.slice(32, 64), 'hex'))
    return decipher.update(text.slice(64), 'hex', 'utf8') + decipher.final('utf8')
  } catch {
    return '[Encrypted message - unable to decrypt]'
  }
}
