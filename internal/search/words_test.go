package search_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"pryde/internal/id"
	"pryde/internal/order"
	"pryde/internal/search"
)

// A sample is a text and words in it, as somebody may type them.
type sample struct {
	text  string
	words []string
}

var samples = map[string][]sample{
	"English": {
		{"Could you water the tomatoes on the balcony? I'm back on Sunday, around 9:30.",
			[]string{"water", "TOMATOES", "balcony", "balcony?", "I'm", "i’m", "Sunday", "9:30", "the tomatoes"}},
		{"The well-known café didn't open; see https://example.com/menu_2024 (or mail chef@example.com).",
			[]string{"well-known", "well", "known", "café", "cafe\u0301", "CAFÉ", "didn't", "https://example.com/menu_2024", "example", "chef@example.com", "menu"}},
		{"Ｆｕｌｌ width, ﬁne ligatures, a soft\u00adhyphen and STRASSE", []string{"full", "ＷＩＤＴＨ", "fine", "ligatures", "softhyphen", "straße"}},
		{"See you 🎉 soon 👍🏽 and ❤️ to all", []string{"🎉", "👍", "👍🏽", "❤", "❤️", "soon"}},
	},
	"Arabic": {
		{"ذهبتُ إلى السُّوقِ صباحًا واشتريتُ خُبزًا طازجًا وزيتونًا أخضر.",
			[]string{"ذهبت", "ذهبتُ", "السوق", "السُّوقِ", "صباحا", "صباحًا", "خبزا", "أخضر", "اخضر", "إلى", "الى", "وزيتونا"}},
		{"مـــرحبا، هل وصلت الرسالة؟ الموعد غدًا الساعة ٩ في المكتبة", []string{"مرحبا", "مـرحبا", "الرسالة", "الرسالة؟", "غدا", "٩", "المكتبة", "هل وصلت"}},
		{"القرآن كتاب، والأم مدرسة، وﻻ شيء مستحيل", []string{"القرآن", "القران", "والأم", "مدرسة", "ولا", "شيء"}},
	},
	"Turkish": {
		{"İstanbul'da ılık bir sabah: IŞIK, ışık ve İZMİR'e giden gemi.",
			[]string{"istanbul", "İSTANBUL", "Istanbul'da", "İstanbul'da", "ılık", "ILIK", "ilik", "ışık", "IŞIK", "işık", "izmir", "İzmir'e", "gemi", "İ\u0307zmir"}},
		{"Çocuklar ağaçtan üç şeftali koparmış, ÖĞRETMEN gülümsüyor.", []string{"çocuklar", "ÇOCUKLAR", "ağaçtan", "üç", "ŞEFTALİ", "şeftali", "öğretmen", "gülümsüyor", "gu\u0308lu\u0308msu\u0308yor"}},
	},
	"Chinese": {
		{"明天下午三点在图书馆门口见面，别忘了带雨伞。", []string{"明天", "下午", "三点", "图书馆", "图书馆门口", "见面", "雨伞", "伞", "别忘了带雨伞"}},
		{"我把iPhone忘在2号线地铁上了，能帮我打电话吗？", []string{"iPhone", "iphone", "地铁", "2号线", "号线", "电话", "我", "打电话吗？", "忘在"}},
		{"繁體中文的訊息：颱風來了，記得關窗。", []string{"繁體中文", "颱風", "關窗", "訊息：颱風", "記得"}},
	},
	"Japanese": {
		{"明日は図書館でコーヒーを飲みながら勉強します。", []string{"明日", "図書館", "コーヒー", "ｺｰﾋｰ", "勉強", "飲みながら", "勉強します", "館"}},
		{"東京タワーのチケット、2枚とれたよ！ がんばって走ろう。", []string{"東京タワー", "東京", "タワー", "チケット", "2枚", "２枚", "がんばって", "か\u3099んは\u3099って", "走ろう", "枚"}},
		{"〆切は来週、人々が集まる時々の祭り", []string{"〆切", "人々", "時々", "祭り", "来週"}},
	},
	"others": {
		{"พรุ่งนี้ไปตลาดน้ำกันไหม", []string{"พรุ่งนี้", "ตลาดน้ำ", "ตลาด", "น้ำ"}},
		{"내일 도서관에서 만나요", []string{"내일", "도서관에서", "만나요", "내일"}},
		{"Καλημέρα, ο ΔΡΟΜΟΣ είναι μακρύς", []string{"καλημέρα", "δρομος", "δρομοσ", "ΜΑΚΡΎΣ"}},
		{"שָׁלוֹם לכולם", []string{"שלום", "שָׁלוֹם", "לכולם"}},
		{"हिन्दी में संदेश", []string{"हिन्दी", "संदेश"}},
	},
}

func TestWholeWordsAreFound(t *testing.T) {
	for language, all := range samples {
		for _, s := range all {
			for _, word := range slices.Concat(s.words, strings.Fields(s.text), []string{s.text}) {
				held, err := search.Holds(s.text, word)
				if !held && len([]rune(word)) <= search.MaxQuery && hasLetter(word) {
					t.Errorf("%s: %q is not found in %q (error %v)", language, word, s.text, err)
				}
				if indexed, _ := search.Indexed(s.text, word); held && !indexed {
					t.Errorf("%s: an index of %q does not point to it for %q", language, s.text, word)
				}
			}
		}
	}
}

func hasLetter(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.So, r) })
}

func TestWhatIsNoWordOfATextIsNotFound(t *testing.T) {
	for text, queries := range map[string][]string{
		"Could you water the tomatoes?": {"tomato", "at", "you could x", "watering", "the-water", "wa"},
		"a well, a known thing":         {"well-known"},
		"cafe":                          {"café"},
		"schon":                         {"schön"},
		"abc123":                        {"abc", "123"},
		"東京、京都と書く":                      {"東京京都", "東都", "京東", "京と"},
		"三月の空":                          {"三空", "月空"},
		"コーヒー":                          {"コヒー", "ひ"},
		"か":                             {"が"},
		"ذهبت إلى السوق":                {"ذهب", "سوق", "السوق إلي"},
		"2024年":                         {"024年", "2024月", "20"},
	} {
		for _, q := range queries {
			if held, err := search.Holds(text, q); held || err != nil {
				t.Errorf("%q is found in %q (error %v)", q, text, err)
			}
		}
	}
}

// words are drawn from here: simple enough that a plain comparison says what is in a text.
var (
	plainWord  = rapid.StringMatching(`[a-d]{1,3}`)
	plainRun   = rapid.StringMatching(`[東京都の]{1,4}`)
	plainSpace = rapid.SampledFrom([]string{" ", ", ", "\n", " - ", "! "})
)

func TestTextsHoldExactlyTheWordsThatAreInThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var words []string
		var text strings.Builder
		for range rapid.IntRange(1, 8).Draw(t, "pieces") {
			w := rapid.OneOf(plainWord, plainRun).Draw(t, "piece")
			words = append(words, w)
			text.WriteString(w + plainSpace.Draw(t, "space"))
		}
		query := rapid.OneOf(plainWord, plainRun, rapid.SampledFrom(words)).Draw(t, "query")

		want := slices.ContainsFunc(words, func(w string) bool {
			return w == query || query[0] >= 0x80 && strings.Contains(w, query)
		})

		held, err := search.Holds(text.String(), query)
		if err != nil || held != want {
			t.Errorf("%q in %q: %v, error %v; want %v", query, text.String(), held, err, want)
		}
		if indexed, _ := search.Indexed(text.String(), query); want && !indexed {
			t.Errorf("the index of %q does not know %q", text.String(), query)
		}
	})
}

// TestEveryWordOfAnyTextIsFound draws from all of Unicode.
func TestEveryWordOfAnyTextIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[\p{L}\p{M}\p{N}\p{S}\p{Z}\p{Cf}]{0,40}`)).Draw(t, "text")
		for _, word := range strings.Fields(text) {
			held, err := search.Holds(text, word)
			if errors.Is(err, search.ErrQuery) {
				continue
			}
			if !held {
				t.Errorf("%q is not found in %q", word, text)
			}
			if indexed, _ := search.Indexed(text, word); !indexed {
				t.Errorf("an index of %q does not know %q", text, word)
			}
		}
	})
}

func TestQueriesHaveBounds(t *testing.T) {
	for name, c := range map[string]struct {
		query string
		good  bool
	}{
		"empty":                    {"", false},
		"white space":              {" \t\n　 ", false},
		"signs only":               {"?! -- …", false},
		"marks only":               {"\u0301\u200d", false},
		"200 characters":           {strings.Repeat("字", 200), true},
		"201 characters":           {strings.Repeat("字", 201), false},
		"200 and white space":      {"  " + strings.Repeat("x", 200) + "\n", true},
		"a megabyte":               {strings.Repeat("x", 1<<20), false},
		"one character":            {"x", true},
		"a hundred words":          {strings.Repeat("a ", 99) + "b", true},
		"not UTF-8":                {"\xff\xfe", false},
		"a word that is not UTF-8": {"word\xff", true},
	} {
		if _, err := search.Holds("x", c.query); errors.Is(err, search.ErrQuery) == c.good {
			t.Errorf("%s: error %v, want it to be good: %v", name, err, c.good)
		}
	}
}

func TestAFilterIsHalfFullAndTakesFewOthers(t *testing.T) {
	tokens, oneIn := search.FilterFigures()

	if tokens < 5_500 || tokens > 5_900 {
		t.Errorf("%d tokens fill a filter, want about 5,700", tokens)
	}
	if oneIn < 14 {
		t.Errorf("a full filter takes 1 in %.1f other tokens for its own, want 1 in 16", oneIn)
	}
}

func TestAListSaysWhatWasPutIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		marks := rapid.SliceOfN(rapid.Uint16(), 0, 40).Draw(t, "marks")
		var refs []search.Ref
		for seq := range rapid.IntRange(0, 300).Draw(t, "messages") {
			r := search.Ref{ID: id.Message{1, byte(seq), byte(seq >> 8)}}
			r.Talk[3] = rapid.Byte().Draw(t, "talk") % 4
			if r.Seq = 1; len(refs) > 0 {
				r.Seq = refs[len(refs)-1].Seq
			}
			r.Seq += seqStep.Draw(t, "step")
			refs = append(refs, r)
		}

		read, list, err := search.ListRoundTrip(refs, marks)

		if err != nil || !slices.Equal(read, refs) {
			t.Fatalf("a list of %d messages is read as one of %d, error %v", len(refs), len(read), err)
		}
		if len(list)%1024 != 0 {
			t.Errorf("the list has %d bytes, want a multiple of 1024", len(list))
		}
	})
}

var seqStep = rapid.Map(rapid.Int64Range(0, 1<<40), func(n int64) order.Seq { return order.Seq(n) })

func TestAMalformedListIsAnErrorAndNoPanic(t *testing.T) {
	refs := []search.Ref{{ID: id.Message{1}, Seq: 7}, {ID: id.Message{2}, Seq: 300}}
	_, list, err := search.ListRoundTrip(refs, []uint16{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	const used = 1 + 1 + 1 + 24 + 2*(1+12+1+1+6) // bytes; a place may take one more

	for n := range used {
		if search.ReadList(list[:n]) == nil {
			t.Errorf("a list that was cut off after %d bytes is read", n)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		bad := slices.Clone(list)
		for range rapid.IntRange(1, 5).Draw(t, "changes") {
			bad[rapid.IntRange(0, used).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		_ = search.ReadList(bad) // it may be well-formed still
	})
}
