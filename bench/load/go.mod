module twinpost/bench/load

go 1.26.0

require (
	github.com/HdrHistogram/hdrhistogram-go v1.2.0
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.50.0
)

require golang.org/x/text v0.43.0 // indirect
