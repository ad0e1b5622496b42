const hues = 6

/** A round with the first letter of a name; its colour follows the name. */
export function Avatar({ name }: { name: string }) {
  const [letter = '?'] = name
  const hue = [...name].reduce((sum, c) => sum + (c.codePointAt(0) ?? 0), 0) % hues
  return (
    <span className={`avatar hue-${hue}`} aria-hidden="true">
      {letter.toUpperCase()}
    </span>
  )
}
