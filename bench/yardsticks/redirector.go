// The yardstick: a net/http redirector that looks a code up in a map and writes a line of JSON for each click.
//
//	redirector LINKS_FILE PORT CLICKS_FILE     the first file has a code and its destination on each line
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

type click struct {
	Time     time.Time `json:"time"`
	Code     string    `json:"code"`
	Address  string    `json:"address"`
	Agent    string    `json:"agent"`
	Referrer string    `json:"referrer,omitempty"`
	Language string    `json:"language,omitempty"`
}

func main() {
	destinations := links(os.Args[1])
	clicks, err := os.OpenFile(os.Args[3], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	follow := func(answer http.ResponseWriter, request *http.Request) {
		code := request.URL.Path[1:]
		destination, known := destinations[code]
		if !known {
			http.NotFound(answer, request)
			return
		}
		line, err := json.Marshal(click{
			Time:     time.Now().UTC(),
			Code:     code,
			Address:  request.Header.Get("X-Forwarded-For"),
			Agent:    request.UserAgent(),
			Referrer: request.Referer(),
			Language: request.Header.Get("Accept-Language"),
		})
		if err == nil {
			_, err = clicks.Write(append(line, '\n'))
		}
		if err != nil {
			http.Error(answer, "not recorded", http.StatusServiceUnavailable)
			return
		}
		answer.Header().Set("Location", destination)
		answer.Header().Set("Cache-Control", "private, no-store")
		answer.WriteHeader(http.StatusFound)
	}
	log.Fatal(http.ListenAndServe(net.JoinHostPort("127.0.0.1", os.Args[2]), http.HandlerFunc(follow)))
}

func links(path string) map[string]string {
	file, err := os.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	destinations := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		code, destination, _ := strings.Cut(lines.Text(), " ")
		destinations[code] = destination
	}
	return destinations
}
