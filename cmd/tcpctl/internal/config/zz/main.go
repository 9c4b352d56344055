package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

func main() {
	var m map[string]any
	_, err := toml.Decode("a=[{x=1},\n 'b', {\n y=2, # c\n z=3,\n},]\n[[b]]\nc=1\n[[b]]\nd.e=2\n'q r'.\"t\\u0041\"=1", &m)
	fmt.Printf("%#v %v\n", m, err)
	for _, s := range []string{"a=1\na=2\n", "[a]\nb=1\n[c]\n[a]\n", "a = \n", "a = \"x\nb=1", "a=[1,2\nb=3", "x={a=1 b=2}", "a=1 b=2", "[a\nb=1", "a=01", "a=tru", "= 3", "a=30s","a='x","\xff=1", "a=1\r\nb=\x01"} {
		_, err = toml.Decode(s, &m)
		pe, ok := err.(toml.ParseError)
		fmt.Printf("%q -> %v %+v %v\n", s, ok, pe.Position, err)
	}
	for _, n := range []int{100000, 1000000, 4000000} {
		t := time.Now()
		_, err = toml.Decode("a="+strings.Repeat("[", n), &m)
		fmt.Println(n, time.Since(t), len(fmt.Sprint(err)))
		t = time.Now()
		_, err = toml.Decode("a="+strings.Repeat("{a=", n), &m)
		fmt.Println(n, time.Since(t), len(fmt.Sprint(err)))
	}
}
