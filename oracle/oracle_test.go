package oracle

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pryde/internal/socketio"
)

// table holds packets of every form, right and wrong, on which all must agree.
var table = []packet{
	text(`0`), text(`0{}`), text(`0{"token":"t"}`), text(`0/admin`), text(`0/admin,`), text(`0/admin,{"a":1}`), text(`0/a?b=c,{}`),
	text(`0/,{}`), text(`05{}`), text(`1`), text(`1/admin,`), text(`13`),
	text(`2["x"]`), text(`2["x",1,-2.5,true,null,"é",{"a":[1,{"b":{}}]}]`), text(`20["x"]`), text(`2007["x"]`), text(`2123["x",{}]`),
	text(`2/chat,12["x"]`), text(`2[1]`), text(`2[1e3,"a"]`), text(`2[-0]`), text(`2[0.1]`), text(`2[""]`), text(`2["\u0061\n\"\\"]`),
	text(`2["x"] `), text(`2[ "x" , 1 ]`), text(`2["x","\ud83d\ude00"]`), text(`2["x","\ud83d"]`), text(`2["x",{"a":1,"a":2}]`),
	text(`2["x",{"__proto__":{"a":1},"toString":2}]`), text(`2["x",{"_placeholder":true,"num":0}]`),
	text(`3[]`), text(`312["ok"]`), text(`3/chat,7[1,2]`), text(`39007199254740991[]`),
	text(`4{"message":"no"}`), text(`4{"message":"no","data":{"a":1}}`), text(`4"no"`), text(`4/x,"no"`),
	text(`7`), text(`x`), text(`-`), text(`2{}`), text(`2"x"`), text(`2null`), text(`2[]`), text(`2[null]`), text(`2[true]`),
	text(`2[["x"]]`), text(`2[{"toString":1}]`), text(`2["x"`), text(`2["x",]`), text(`2["x",NaN]`), text(`2["x",01]`), text(`2["x",'y']`),
	text(`2["connect"]`), text(`2["connect_error"]`), text(`2["disconnect"]`), text(`2["disconnecting"]`), text(`2["newListener"]`),
	text(`2["removeListener"]`), text(`3{}`), text(`3null`), text(`4[]`), text(`41{`), text(`0[]`), text(`0"x"`), text(`01[]`), text(`1{}`),
	text(`1[]`), text(`50-["x"`), text(`5-["x"]`), text(`5999999-["x"]`), text(`6x`), text(`511-["x"]`), text(`51["x"]`), text(`51`),

	{`51-["x",{"_placeholder":true,"num":0}]`, [][]byte{{1, 2}}},
	{`51-/chat,7["x",{"a":[{"num":0,"_placeholder":true}]},"y"]`, [][]byte{{}}},
	{`52-["x",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, [][]byte{{1}, {2}}},
	{`61-12[{"_placeholder":true,"num":0}]`, [][]byte{{0xff}}},
	{`61-12["x",{"_placeholder":false,"num":5},{"_placeholder":true,"num":0}]`, [][]byte{{0xff}}},
	{`501-["x",{"_placeholder":true,"num":0}]`, [][]byte{{1}}},
	{`51-["x",{"_placeholder":true,"num":0}]`, nil},
	{`51-["x",{"_placeholder":true,"num":0}]`, [][]byte{{1}, {2}}},
	{`51-["x",{"_placeholder":true,"num":1}]`, [][]byte{{1}}},
	{`51-["x",{"_placeholder":true,"num":-1}]`, [][]byte{{1}}},
	{`51-["x",{"_placeholder":true,"num":"splice"}]`, [][]byte{{1}}},
	{`51-["x",{"_placeholder":true,"num":1e9}]`, [][]byte{{1}}},
	{`51-["x",{"_placeholder":true}]`, [][]byte{{1}}},
	{`51-[{"_placeholder":true,"num":0}]`, [][]byte{{1}}},
	{`51-["disconnect",{"_placeholder":true,"num":0}]`, [][]byte{{1}}},
	{`51-{}`, [][]byte{{1}}},
	{`2["x"]`, [][]byte{{1}}},
	{`0{}`, [][]byte{{1}}},
}

// eachCodec runs a test against every other implementation.
func eachCodec(t *testing.T, test func(*testing.T, codec)) {
	t.Run("npm", func(t *testing.T) { test(t, npmCodec(t)) })
	t.Run("go", func(t *testing.T) { test(t, goCodec) })
}

func TestAllReadTheTableAlike(t *testing.T) {
	eachCodec(t, func(t *testing.T, c codec) {
		for _, p := range table {
			if why := c.disagrees(t, p); why != "" {
				t.Errorf("%q with %d attachments: %s", p.text, len(p.attachments), why)
			}
		}
	})
}

func TestTheDifferencesAreThoseThatAreMeant(t *testing.T) {
	eachCodec(t, func(t *testing.T, c codec) {
		for _, d := range c.differences {
			mine, ours := readOurs(d.packet)
			other, theirs := c.read(t, d.packet)
			if ours != d.ours || theirs != d.theirs {
				t.Errorf("%s: accepted by us %v and by %s %v, listed as %v and %v", d.name, ours, c.name, theirs, d.ours, d.theirs)
			}
			if ours && theirs && cmp.Equal(mine, other) {
				t.Errorf("%s: both read the same", d.name)
			}
			if !d.covers(d.packet) {
				t.Errorf("%s does not cover its own example", d.name)
			}
		}
	})
}

// corpusSize is the number of packets that are compared, beside the table.
const corpusSize = 40_000

func TestAllReadRandomPacketsAlike(t *testing.T) {
	eachCodec(t, func(t *testing.T, c codec) {
		r := rand.New(rand.NewPCG(1, 2))
		accepted, binary := 0, 0
		for range corpusSize {
			p := randomPacket(r)
			if r.IntN(3) > 0 {
				p = mutate(r, p)
			}
			if why := c.disagrees(t, p); why != "" {
				t.Fatalf("%q with %d attachments: %s", p.text, len(p.attachments), why)
			}
			if _, ok := readOurs(p); ok {
				accepted++
				if isBinary(p.text) {
					binary++
				}
			}
		}
		if accepted < corpusSize/4 || accepted > corpusSize*9/10 || binary < corpusSize/50 {
			t.Errorf("%d of %d packets were accepted, %d of these with attachments; the corpus says little", accepted, corpusSize, binary)
		}
	})
}

func TestOthersReadWhatWeWrite(t *testing.T) {
	eachCodec(t, func(t *testing.T, c codec) {
		r := rand.New(rand.NewPCG(3, 4))
		for range corpusSize / 4 {
			in := randomPacket(r)
			p, err := socketio.DecodePacket([]byte(in.text), in.attachments...)
			if err != nil {
				continue
			}
			out := packet{string(socketio.AppendPacket(nil, p)), p.Attachments}
			if _, accepted := readOurs(out); !accepted {
				t.Fatalf("we wrote %q and refuse it", out.text)
			}
			if why := c.disagrees(t, out); why != "" {
				t.Fatalf("we wrote %q: %s", out.text, why)
			}
		}
	})
}

// FuzzPackets compares what a fuzzer finds, and its seeds in every run of the tests.
func FuzzPackets(f *testing.F) {
	for _, p := range table {
		f.Add(p.text, len(p.attachments))
	}
	codecs := []codec{npmCodec(f), goCodec}
	f.Fuzz(func(t *testing.T, wire string, attachments int) {
		p := text(wire)
		for i := range min(max(attachments, 0), 12) {
			p.attachments = append(p.attachments, []byte{byte(i)})
		}
		for _, c := range codecs {
			if why := c.disagrees(t, p); why != "" {
				t.Errorf("%q with %d attachments: %s", p.text, len(p.attachments), why)
			}
		}
	})
}

// disagrees says how the codec differs from ours on a packet, unless that is meant.
func (c codec) disagrees(t testing.TB, p packet) string {
	t.Helper()
	mine, ours := readOurs(p)
	other, theirs := c.read(t, p)
	if !ours && !theirs {
		return ""
	}
	diff := ""
	if ours && theirs {
		if diff = cmp.Diff(other, mine); diff == "" {
			return ""
		}
	}
	for _, d := range c.differences {
		if d.ours == ours && d.theirs == theirs && d.covers(p) {
			return ""
		}
	}
	return fmt.Sprintf("accepted by us %v, by %s %v (-theirs +ours) %s", ours, c.name, theirs, diff)
}
