package plaintext_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"pryde/internal/plaintext"
)

func TestCleanTakesMarkupAndLeavesCharacters(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"ampersand", "a & b", "a & b"},
		{"heart", "I <3 you", "I <3 you"},
		{"comparison", "if a<b then c>d", "if a<b then c>d"},
		{"generic type", "Map<String,Int>", "Map<String,Int>"},
		{"typed reference", "&lt;script&gt;", "&lt;script&gt;"},
		{"element", "<b>x</b>", "x"},
		{"hidden element", "<<b>script>x", ""},

		{"nothing", "", ""},
		{"only white space", " \t\r\n\u00a0", ""},
		{"ends are trimmed", "  a b\n", "a b"},
		{"ends are trimmed behind markup", "<b> a </b>", "a"},
		{"either case", "<B>x</b> <ScRiPt>y</sCrIpT> z", "x  z"},
		{"letters that only look like ASCII", "<\u212aBD>x", "<\u212aBD>x"},
		{"references beside markup", "<i>&lt;b&gt; &amp; &#60;</i>", "&lt;b&gt; &amp; &#60;"},
		{"comparison beside markup", "if a<b then <i>c</i>>d", "if a<b then c>d"},
		{"line ends beside markup", "a\r\nb\rc <b>d</b>", "a\r\nb\rc d"},
		{"quotes beside markup", `"it's" <b>so</b>`, `"it's" so`},
		{"zero byte beside markup", "a\x00b<b>c</b>", "a\x00bc"},
		{"bare attributes", "<input disabled>", "<input disabled>"},
		{"attribute with a value", "<a href=x>y</a>", "y"},
		{"attribute with an empty value", `<a href="">y</a>`, "y"},
		{"equals sign without a value", "f<a b=>c", "f<a b=>c"},
		{"value behind bare attributes", "<input disabled value='>'>x", "x"},
		{"white space within tags", "<b >x</b\n> <br /> y", "x  y"},
		{"slash behind the name", "a<br/>b", "ab"},
		{"closing tag alone", "x</b>y", "xy"},
		{"closing tag of nothing known", "x</y>z", "x</y>z"},
		{"no tag without its end", "for i<a && b==c; i++", "for i<a && b==c; i++"},
		{"quoted value without its end", `<a href="x>y`, `<a href="x>y`},
		{"code without its end", "x <script src=y", "x"},
		{"code with bare attributes", "x <svg onload>y", "x y"},
		{"code at the end", "x <script", "x"},
		{"code behind white space that is trimmed", "x <script\u00a0", "x"},
		{"longer name", "<scripture>x", "<scripture>x"},
		{"custom element", "<my-thing a=b>x", "<my-thing a=b>x"},
		{"comment", "<!-- x -->", "<!-- x -->"},
		{"element in a comment", "<!-- <b>x</b> -->", "<!-- x -->"},
		{"declaration", "<!doctype html>x", "<!doctype html>x"},
		{"instruction", "<?php echo 1 ?>", "<?php echo 1 ?>"},
		{"script goes with its content", "a<script>if(a<b)</script>b", "ab"},
		{"script that hides its end", "a<script><!--<script></script>b", "ab"},
		{"self-closing script", "a<script/>b</script>c", "ac"},
		{"script without its end", "a<script>b", "a"},
		{"object goes with its content", "a<object><b>x</b><object>y</object></object>b", "ab"},
		{"closing tags without their object", "a</object></object>b<object>c</object>d", "abd"},
		{"raw text keeps its characters", "<xmp>a&amp;b</xmp>&", "a&amp;b&"},
		{"the rest of a raw text stays", "<plaintext>a & <i>b</i>", "a & b"},
		{"text area", "<textarea>a & <i>b</i></textarea>", "a & b"},
		{"element in a value", `<a title="<b>">x</a>`, "x"},
		{"layers", "<<i>i><<b>b>x", "x"},
		{"invalid bytes", "a\xffb", "a\uFFFDb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := plaintext.Clean(c.in); got != c.want {
				t.Errorf("Clean(%q) = %q, want %q", c.in, got, c.want)
			}
			check(t, c.in)
		})
	}
}

func TestCleanGivesUpOnDeepLayersWithoutAnElementLeft(t *testing.T) {
	in := "I <3 " + strings.Repeat("<", 40) + strings.Repeat("b>", 40)

	got := plaintext.Clean(in)

	if strings.Contains(got, "<b") || !strings.HasPrefix(got, "I <3 ") {
		t.Errorf("Clean left %q", got)
	}
	check(t, in)
}

func TestCleanTakesTimeInProportion(t *testing.T) {
	const size = 1 << 18
	for _, piece := range []string{
		"<", "<<<b", "<b>", "<<<b>", `<a x="`, "<a x='>", "<script>", "<script", "<script/>&", "</script>", "<object>", "</object>",
		"<xmp>&", "<plaintext>&&", "<!--", "<title>", "<title></titl", "<b a ", "<a =", "&", "\r", "\xff", "<iframe/>&&&",
	} {
		in := strings.Repeat(piece, size/len(piece))
		began := time.Now()
		got := plaintext.Clean(in)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("256 KB of %q took %v", piece, took)
		}
		if len(got) > 3*size {
			t.Errorf("256 KB of %q became %d bytes", piece, len(got))
		}
	}
	layers := strings.Repeat("<", size/3) + strings.Repeat("b>", size/3)
	began := time.Now()
	if got := plaintext.Clean(layers); strings.Contains(got, "<b") {
		t.Error("an element is left of 256 KB of layers")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("256 KB of layers took %v", took)
	}
}

var pieces = []string{
	"<", "<", ">", "/", "=", `"`, "'", " ", "b", "a", "script", "object", "title", "xmp", "textarea", "svg", "x", "&", "&lt;", "&amp;", "lt;",
	"<b>", "</b>", "<script>", "</script>", "<object>", "</object>", "<!--", "-->", "\r", "\n", "\u00a0", "\x00", "\xff", "é", "<xmp>", "<iframe/>",
}

func TestCleanHoldsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		check(t, strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 24).Draw(t, "pieces"), ""))
	})
}

func FuzzClean(f *testing.F) {
	for _, p := range pieces {
		f.Add("x" + p + "y")
	}
	f.Add("<<b>script>x")
	f.Fuzz(func(t *testing.T, in string) {
		if len(in) <= 1<<12 {
			check(t, in)
		}
	})
}

// check holds the result of one text to what Clean promises of every text.
func check(t interface {
	Helper()
	Errorf(string, ...any)
}, in string) {
	t.Helper()
	got := plaintext.Clean(in)
	if again := plaintext.Clean(got); again != got {
		t.Errorf("a second pass over the result of %q makes %q of %q", in, again, got)
	}
	if !utf8.ValidString(got) {
		t.Errorf("the result of %q is no UTF-8: %q", in, got)
	}
	if got != strings.TrimSpace(got) {
		t.Errorf("the result of %q has white space at its ends: %q", in, got)
	}
	if name := elementIn(got); name != "" {
		t.Errorf("%s is left of %q in %q", name, in, got)
	}
	if !strings.Contains(in, "<") && utf8.ValidString(in) && got != strings.TrimSpace(in) {
		t.Errorf("%q has no markup and became %q", in, got)
	}
}

var someElements = map[string]bool{
	"a": true, "b": true, "i": true, "object": true, "script": true, "svg": true, "textarea": true, "title": true, "xmp": true, "iframe": true, "img": true,
}

// elementIn looks for an element with a tokenizer that starts at each '<', and returns its name.
func elementIn(s string) string {
	for i := range len(s) {
		if s[i] != '<' {
			continue
		}
		z := html.NewTokenizer(strings.NewReader(s[i:]))
		switch z.Next() {
		case html.EndTagToken:
			if name, _ := z.TagName(); someElements[string(name)] {
				return "closing " + string(name)
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			if tok := z.Token(); someElements[tok.Data] && isMarkup(tok, s[i:]) {
				return tok.Data
			}
		}
	}
	return ""
}

func isMarkup(tok html.Token, s string) bool {
	if tok.Data == "script" || tok.Data == "svg" || tok.Data == "object" || tok.Data == "iframe" {
		return true
	}
	for _, a := range tok.Attr {
		if a.Val != "" {
			return true
		}
	}
	behind := strings.TrimLeft(s[1+len(tok.Data):], " \n\r\t\f")
	return behind[0] == '>' || behind[0] == '/'
}
