// Compares what `kcfg render` writes in a repository with what the real `helm template` gives for each of its
// HelmReleases, as data, read by the library that Helm and kubectl read YAML with; and its raw manifests with
// themselves. It prints every difference and a summary with the times of both.
//
//	go run ./compare -repo PATH -kcfg target/release/kcfg -helm helm
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

type object = map[string]any

type release struct {
	env, name, file       string
	namespace, helmName   string
	path, ref, repository string
	values                object
}

var separator = regexp.MustCompile(`(?m)^---(\s|$)`)

func documents(text []byte) []object {
	var found []object
	for _, part := range separator.Split(string(text), -1) {
		var document any
		if err := yaml.Unmarshal([]byte(part), &document); err != nil {
			fatal("%v in %q", err, part)
		}
		if object, ok := document.(object); ok {
			found = append(found, object)
		}
	}
	return found
}

func fatal(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(2)
}

func dig(value any, keys ...string) any {
	for _, key := range keys {
		object, ok := value.(object)
		if !ok {
			return nil
		}
		value = object[key]
	}
	return value
}

func text(value any, keys ...string) string {
	found, _ := dig(value, keys...).(string)
	return found
}

// id names an object without its namespace, which kcfg may add.
func id(o object) string {
	return text(o, "apiVersion") + " " + text(o, "kind") + " " + text(o, "metadata", "name")
}

func yamlFiles(folder string) []string {
	var files []string
	filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && (strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml")) {
			files = append(files, path)
		}
		return nil
	})
	sort.Strings(files)
	return files
}

func rendered(folder string) []object {
	var objects []object
	for _, file := range yamlFiles(folder) {
		bytes, err := os.ReadFile(file)
		if err != nil {
			fatal("%v", err)
		}
		objects = append(objects, documents(bytes)...)
	}
	return objects
}

// differences compares two sets of objects; a namespace that only the second has is passed over.
func differences(helm, kcfg []object) []string {
	var found []string
	byID := map[string][]object{}
	for _, o := range kcfg {
		byID[id(o)] = append(byID[id(o)], o)
	}
	for _, want := range helm {
		candidates := byID[id(want)]
		matched := -1
		for i, got := range candidates {
			if equal(want, got) {
				matched = i
				break
			}
		}
		switch {
		case matched >= 0:
			byID[id(want)] = append(candidates[:matched:matched], candidates[matched+1:]...)
		case len(candidates) == 0:
			found = append(found, "missing: "+id(want))
		default:
			a, _ := json.Marshal(want)
			b, _ := json.Marshal(candidates[0])
			found = append(found, fmt.Sprintf("different: %s\n    helm %s\n    kcfg %s", id(want), a, b))
			byID[id(want)] = candidates[1:]
		}
	}
	for key, rest := range byID {
		for range rest {
			found = append(found, "more: "+key)
		}
	}
	sort.Strings(found)
	return found
}

func equal(want, got object) bool {
	if dig(want, "metadata", "namespace") == nil {
		copied := object{}
		for key, value := range got {
			copied[key] = value
		}
		metadata := object{}
		if original, ok := got["metadata"].(object); ok {
			for key, value := range original {
				if key != "namespace" {
					metadata[key] = value
				}
			}
		}
		copied["metadata"] = metadata
		got = copied
	}
	return reflect.DeepEqual(want, got)
}

func main() {
	repo := flag.String("repo", "", "the repository; kcfg render runs in it")
	kcfg := flag.String("kcfg", "kcfg", "the kcfg to test")
	helm := flag.String("helm", "helm", "the real helm")
	branch := flag.String("branch", "master", "the branch whose name as a ref means the working tree")
	refs := flag.String("refs", "refs/remotes/origin/", "what stands before the name of any other ref")
	flag.Parse()
	os.RemoveAll(filepath.Join(*repo, "rendered"))
	started := time.Now()
	command := exec.Command(*kcfg, "render")
	command.Dir = *repo
	output, err := command.CombinedOutput()
	took := time.Since(started)
	if err != nil && command.ProcessState.ExitCode() != 2 {
		fatal("kcfg render: %v\n%s", err, output)
	}
	temporary, err := os.MkdirTemp("", "compare")
	if err != nil {
		fatal("%v", err)
	}
	defer os.RemoveAll(temporary)
	count := map[string]int{}
	say := func(what, where, why string) {
		count[what]++
		if why != "" {
			fmt.Printf("%s %s: %s\n", what, where, why)
		}
	}
	var helmTime time.Duration
	helmRuns := 0
	environments, _ := os.ReadDir(filepath.Join(*repo, "releases"))
	for _, environment := range environments {
		env := environment.Name()
		for _, file := range yamlFiles(filepath.Join(*repo, "releases", env)) {
			bytes_, err := os.ReadFile(file)
			if err != nil {
				fatal("%v", err)
			}
			var raw []object
			for _, document := range documents(bytes_) {
				if text(document, "kind") != "HelmRelease" {
					raw = append(raw, document)
					continue
				}
				name := text(document, "metadata", "name")
				where := env + "/" + name
				objects := rendered(filepath.Join(*repo, "rendered", env, name))
				chart := text(document, "spec", "chart", "path")
				if chart == "" {
					if len(objects) > 0 {
						say("rendered without a chart", where, "objects")
					}
					say("of a chart repository", where, "")
					continue
				}
				root := *repo
				if ref := text(document, "spec", "chart", "ref"); ref != "" && ref != *branch {
					root = filepath.Join(temporary, ref)
					if _, err := os.Stat(root); err != nil {
						os.MkdirAll(root, 0o755)
						script := fmt.Sprintf("git -C %q archive %s%s charts | tar -x -C %q", *repo, *refs, ref, root)
						if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
							fatal("%s: %v %s", script, err, out)
						}
					}
				}
				values, _ := yaml.Marshal(dig(document, "spec", "values"))
				valuesFile := filepath.Join(temporary, "values.yaml")
				os.WriteFile(valuesFile, values, 0o644)
				helmName := text(document, "spec", "releaseName")
				if helmName == "" {
					helmName = text(document, "metadata", "namespace") + "-" + name
				}
				var out, problems bytes.Buffer
				run := exec.Command(*helm, "template", helmName, filepath.Join(root, chart),
					"--namespace", text(document, "metadata", "namespace"), "-f", valuesFile)
				run.Stdout, run.Stderr = &out, &problems
				helmStarted := time.Now()
				err := run.Run()
				helmTime += time.Since(helmStarted)
				helmRuns++
				switch {
				case err != nil && len(objects) == 0:
					say("refused by both", where, "")
				case err != nil:
					say("refused by helm alone", where, problems.String())
				case len(objects) == 0:
					say("refused by kcfg alone", where, chart)
				default:
					if found := differences(documents(out.Bytes()), objects); len(found) > 0 {
						say("different", where, strings.Join(found, "\n  "))
					} else {
						say("equal", where, "")
					}
				}
			}
			if len(raw) > 0 {
				folder := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
				found := differences(raw, rendered(filepath.Join(*repo, "rendered", env, folder)))
				for range raw {
					say("raw", env+"/"+folder, "")
				}
				if len(found) > 0 {
					say("raw different", env+"/"+folder, strings.Join(found, "\n  "))
				}
			}
		}
	}
	keys := make([]string, 0, len(count))
	for key := range count {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		fmt.Printf("%5d %s\n", count[key], key)
	}
	fmt.Printf("kcfg render %.3f s, helm template %.3f s in %d runs: %.0f times faster\n",
		took.Seconds(), helmTime.Seconds(), helmRuns, helmTime.Seconds()/took.Seconds())
	fmt.Print(lastLine(output))
}

func lastLine(output []byte) string {
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	return lines[len(lines)-1] + "\n"
}
