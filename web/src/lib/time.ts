import type { Time } from '../wire/wire.gen'

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const date = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })
const shortDate = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })

/** The time of day. */
export const clockTime = (time: Time): string => clock.format(new Date(time))

/** The day as a heading. */
export const dayOf = (time: Time): string => date.format(new Date(time))

/** The time of day for today, else the date. */
export function briefTime(time: Time, now = new Date()): string {
  const then = new Date(time)
  return (then.toDateString() === now.toDateString() ? clock : shortDate).format(then)
}
