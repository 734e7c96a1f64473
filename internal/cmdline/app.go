package cmdline

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

const helpTemplate = `{{.Name}}: {{.Usage}}

usage: {{.Name}} {{.UsageText}}

{{if .VisibleCommands}}commands:{{template "visibleCommandTemplate" .}}

{{end}}options:{{template "visibleFlagTemplate" .}}
`

const commandHelpTemplate = `{{.HelpName}}: {{.Usage}}

usage: {{.HelpName}} {{.UsageText}}
{{if .Description}}
{{.Description}}
{{end}}
options:{{template "visibleFlagTemplate" .}}
`

// Configure has an app parse its command line as all programs of this suite do: options
// end at the first word that is not an option, short options combine, and there is
// --help. Errors are returned, those of usage as a UsageError. Set the app's Usage,
// UsageText, Flags and Action, and those of its Commands.
func Configure(app *cli.App) {
	app.Flags = append([]cli.Flag{helpFlag()}, app.Flags...)
	app.HideHelp = true
	cli.HelpFlag = nil             // it would take the command for a topic
	app.Compiled = time.Unix(0, 1) // or it is looked up, for nothing
	app.UseShortOptionHandling = true
	app.CustomAppHelpTemplate = helpTemplate
	app.Writer = Stdout
	cli.FlagStringer = describe
	app.OnUsageError = func(_ *cli.Context, err error, _ bool) error {
		return &UsageError{errors.New(usageText(err.Error(), os.Args))}
	}
	app.ExitErrHandler = func(*cli.Context, error) {} // whoever called Run reports it
	for _, command := range app.Commands {
		configure(command, app.OnUsageError)
	}
}

func configure(command *cli.Command, onUsageError cli.OnUsageErrorFunc) {
	command.Flags = append([]cli.Flag{helpFlag()}, command.Flags...)
	command.HideHelp = true // or it has a command "help" of its own
	command.OnUsageError = onUsageError
	action := command.Action
	command.Action = func(c *cli.Context) error {
		for _, level := range c.Lineage() { // "app --help command" sets the app's option
			if level.Bool("help") {
				cli.HelpPrinter(c.App.Writer, commandHelpTemplate, command)
				return nil
			}
		}
		return action(c)
	}
}

// Run runs a configured app. The errors are that of the app's action, and that of Stdout
// if the action has not returned the error of Stdout itself.
func Run(app *cli.App, args []string) error {
	err := app.Run(apart(app.Flags, args))
	failed := Stdout.Err()
	var finding Status
	switch {
	case failed == nil || errors.Is(err, failed):
		return err
	case err == nil || errors.As(err, &finding): // nobody has read the finding
		return failed
	}
	return errors.Join(err, failed)
}

// apart returns a command line with -mnt as -m, -n and -t, if there are such options.
// Package flag would take the word for --mnt.
func apart(flags []cli.Flag, args []string) []string {
	takesValue := map[string]bool{}
	for _, f := range flags {
		for _, name := range f.Names() {
			takesValue[name] = f.(cli.DocGenerationFlag).TakesValue()
		}
	}
	unknown := func(name string) bool { _, ok := takesValue[name]; return !ok }
	for i := 1; i < len(args) && len(args[i]) > 1 && args[i][0] == '-'; i++ {
		name := strings.TrimLeft(args[i], "-")
		letters := strings.Split(name, "")
		isShort := args[i] == "-"+name && !slices.ContainsFunc(letters, unknown)
		if isShort && !unknown(name) {
			options := strings.Fields("-" + strings.Join(letters, " -"))
			args = slices.Concat(args[:i], options, args[i+1:])
			i += len(letters) - 1
		}
		if isShort {
			name = letters[len(letters)-1]
		}
		if name == "" { // options end at --
			break
		}
		if takesValue[name] {
			i++
		}
	}
	return args
}

// usageText puts an error of package flag into this suite's words, and the option in it
// as it was typed: --nosuch is -nosuch there.
func usageText(text string, typed []string) string {
	text = strings.NewReplacer(
		"flag provided but not defined", "no such option",
		"flag needs an argument", "option needs a value").Replace(text)
	before, option, ok := strings.Cut(text, " -")
	name, _, _ := strings.Cut(option, ":")
	if !ok || len(name) < 2 || strings.HasPrefix(name, "-") {
		return text
	}
	for _, word := range typed {
		if word == "-"+name || strings.HasPrefix(word, "-"+name+"=") {
			return text
		}
	}
	return before + " --" + option
}

func helpFlag() cli.Flag {
	return &cli.BoolFlag{
		Name: "h", Aliases: []string{"help"},
		Usage: "show this help and exit",
	}
}

// describe returns a line of the help: "-u, --uts hostname", a tab, the usage.
func describe(f cli.Flag) string {
	option := f.(cli.DocGenerationFlag)
	value, usage := flag.UnquoteUsage(&flag.Flag{Usage: option.GetUsage()})
	if !option.TakesValue() {
		value = ""
	}
	short, long := "    ", f.Names()[0]
	if len(f.Names()) > 1 {
		short, long = "-"+f.Names()[0]+", ", f.Names()[1]
	}
	return fmt.Sprintf("%s--%s %s\t%s", short, long, value, usage)
}
