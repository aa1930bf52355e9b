// Command validate checks a receipt: validate RECEIPT JWKS AUDIENCE ISSUER [MINIMUM_LEVEL].
//
// RECEIPT and JWKS are files; the key set is one you fetched over TLS from the issuer you chose. Exit status: 0 good, 1
// refused, 2 usage, or a file that cannot be used.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"pogw.dev/receipt/receipt"
)

const usage = "usage: validate RECEIPT JWKS AUDIENCE ISSUER [MINIMUM_LEVEL]"

func main() {
	if len(os.Args) < 5 || len(os.Args) > 6 {
		fail(usage)
	}
	expected := receipt.Expectations{Audience: os.Args[3], Issuer: os.Args[4]}
	if len(os.Args) > 5 {
		expected.MinimumLevel = os.Args[5]
	}
	if !expected.CanBeMet() {
		fail(usage + ", a level being A1, A2 or A3")
	}
	keys, err := receipt.ParseJwks([]byte(read(os.Args[2])))
	if err != nil {
		fail(err.Error())
	}
	good, err := receipt.Validate(strings.TrimSpace(read(os.Args[1])), keys, expected, time.Now().Unix())
	if err != nil {
		fmt.Printf("refused: %s (%v)\n", receipt.Code(err), err)
		os.Exit(1)
	}
	results := strings.Join(good.Claims.Pogw.Assurance.Results, " ")
	fmt.Printf("good: %s of %s for job %s: %s, %s\n", good.ID(), good.Claims.Sub, good.Claims.Pogw.JobDigest, good.Level(), results)
}

func read(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		fail(err.Error())
	}
	return string(data)
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(2)
}
