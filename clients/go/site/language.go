package site

import (
	"sort"
	"strconv"
	"strings"
)

const languagesAskedMax = 32

// preferred is the best of these languages by Accept-Language; the first where none of them is asked for.
func preferred(header string, languages []string) string {
	type wish struct {
		tag     string
		quality float64
	}
	var wishes []wish
	for place, part := range strings.Split(header, ",") {
		if place == languagesAskedMax {
			break
		}
		tag, weight, isWeighed := strings.Cut(strings.ToLower(strings.TrimSpace(part)), ";")
		quality := 1.0
		if isWeighed {
			var err error
			if quality, err = strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64); err != nil {
				continue
			}
		}
		if tag = strings.TrimSpace(tag); tag != "" && quality > 0 {
			wishes = append(wishes, wish{tag, quality})
		}
	}
	sort.SliceStable(wishes, func(one, other int) bool { return wishes[one].quality > wishes[other].quality })
	for _, wish := range wishes {
		general, _, _ := strings.Cut(wish.tag, "-")
		// For `de-CH` without texts of its own, those of `de`.
		for _, tag := range []string{wish.tag, general} {
			for _, language := range languages {
				if strings.EqualFold(language, tag) {
					return language
				}
			}
		}
	}
	return languages[0]
}

// browserName is what a person would call the browser that sends this; what it sends, where nobody knows.
func browserName(userAgent string) string {
	browser, system := nameIn(browsers, userAgent), nameIn(systems, userAgent)
	switch {
	case browser != "" && system != "":
		return browser + ", " + system
	case browser != "":
		return browser
	case userAgent == "":
		return "?"
	}
	letters := []rune(userAgent)
	if len(letters) > 60 {
		letters = letters[:60]
	}
	return string(letters)
}

func nameIn(known [][2]string, userAgent string) string {
	for _, one := range known {
		if strings.Contains(userAgent, one[0]) {
			return one[1]
		}
	}
	return ""
}

// withValue puts a value into a text that has a place for it, such as {time}.
func withValue(text, name, value string) string { return strings.ReplaceAll(text, "{"+name+"}", value) }
