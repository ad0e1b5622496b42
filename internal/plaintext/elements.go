package plaintext

import "strings"

// known are the elements of the HTML standard, its obsolete ones, the roots of the two
// embedded vocabularies, and image, which parsers read as img.
var known = setOf(`
	a abbr address area article aside audio b base bdi bdo blockquote body br button canvas
	caption cite code col colgroup data datalist dd del details dfn dialog div dl dt em embed
	fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe
	img input ins kbd label legend li link main map mark menu meta meter nav noscript object ol
	optgroup option output p picture pre progress q rp rt ruby s samp script search section
	select selectedcontent slot small source span strong style sub summary sup table tbody td
	template textarea tfoot th thead time title tr track u ul var video wbr
	acronym applet basefont bgsound big blink center dir font frame frameset isindex keygen
	listing marquee menuitem multicol nextid nobr noembed noframes param plaintext rb rtc spacer
	strike tt xmp
	svg math image`)

// maxName is the length of the longest known name, in bytes.
const maxName = len("selectedcontent")

// alwaysCounts are the elements that bring in code, other documents or other vocabularies.
var alwaysCounts = setOf(`script style iframe object embed svg math`)

// hidesContent are the elements whose content the strict policy removes with them.
var hidesContent = setOf(`frameset iframe noembed noframes noscript object script style title`)

// rawContent are those of them whose content holds no elements.
var rawContent = setOf(`iframe noembed noframes noscript script style title`)

func setOf(names string) map[string]bool {
	set := make(map[string]bool)
	for name := range strings.FieldsSeq(names) {
		set[name] = true
	}
	return set
}
