package receipt

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const vectors = "../../../receipt/vectors"

func load(t *testing.T, path string) (map[string]string, string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines, body, _ := strings.Cut(string(data), "\n\n")
	head := map[string]string{}
	for _, line := range strings.Split(lines, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		head[name] = value
	}
	return head, strings.TrimSuffix(body, "\n")
}

func keySet(t *testing.T) *Jwks {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectors, "jwks.json"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ParseJwks(text)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func answer(t *testing.T, head map[string]string, token string) (*Receipt, error) {
	t.Helper()
	now, err := strconv.ParseInt(head["now"], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	level := head["minimum_level"]
	expected := Expectations{
		Issuer: head["issuer"], Audience: head["audience"], MinimumLevel: level, DangerAcceptA0: level == "A0",
		Job: head["job"], Nonce: head["nonce"],
	}
	return Validate(token, keySet(t), expected, now)
}

func each(t *testing.T, pattern string, atLeast int, run func(t *testing.T, head map[string]string, body string)) {
	t.Helper()
	paths, _ := filepath.Glob(filepath.Join(vectors, pattern))
	if len(paths) < atLeast {
		t.Fatalf("expected at least %d vectors, got %d", atLeast, len(paths))
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			head, body := load(t, path)
			run(t, head, body)
		})
	}
}

func TestVectors(t *testing.T) {
	each(t, "*.txt", 100, func(t *testing.T, head map[string]string, token string) {
		if _, err := answer(t, head, token); Code(err) != head["expect"] {
			t.Errorf("%s: expected %s, got %s: %v", head["comment"], head["expect"], Code(err), err)
		}
	})
}

func TestKeySets(t *testing.T) {
	each(t, "key_sets/*.txt", 20, func(t *testing.T, head map[string]string, text string) {
		if _, err := ParseJwks([]byte(text)); Code(err) != head["expect"] {
			t.Errorf("%s: expected %s, got %s: %v", head["comment"], head["expect"], Code(err), err)
		}
	})
}

func TestWhatIsTooLargeHasNoVector(t *testing.T) {
	head, token := load(t, filepath.Join(vectors, "good_es384.txt"))
	if _, err := answer(t, head, token+strings.Repeat("A", 1<<20)); Code(err) != "token_too_large" {
		t.Error(err)
	}
	if _, err := ParseJwks([]byte(strings.Repeat(" ", 1<<18))); Code(err) != "jwks_too_large" {
		t.Error(err)
	}
}

func TestMeets(t *testing.T) {
	head, token := load(t, filepath.Join(vectors, "good_es384.txt"))
	receipt, err := answer(t, head, token)
	if err != nil {
		t.Fatal(err)
	}
	if !receipt.Meets("A2", "freivalds") || !receipt.Meets("A0") {
		t.Error("expected A2 and freivalds")
	}
	if receipt.Meets("A3") || receipt.Meets("A2", "audit") || receipt.Meets("A4") || receipt.Meets("") {
		t.Error("expected no more")
	}
}

func TestExpectationsThatNoReceiptCouldMeet(t *testing.T) {
	head, token := load(t, filepath.Join(vectors, "good_es384.txt"))
	head["minimum_level"] = "A4"
	if _, err := answer(t, head, token); Code(err) != "internal" {
		t.Error(err)
	}
}
