import groovy.io.FileType
import groovy.json.JsonSlurperClassic
import java.nio.file.FileSystems

/**
 * The steps, one method each; of a step with a body only what happens before and after it. An unknown parameter is an
 * error, as it is in Jenkins.
 */
class Steps {
    static final Set VALUES = ['choice', 'string', 'usernamePassword'] as Set
    static final Set BLOCKS = ['script', 'timeout', 'withEnv', 'withCredentials'] as Set
    private static final Set PLAYBOOK = ['playbook', 'inventory', 'tags', 'checkMode', 'extraVars', 'limit', 'extras',
        'credentialsId', 'colorized', 'installation', 'skippedTags', 'startAtTask', 'forks', 'become', 'becomeUser',
        'inventoryContent', 'dynamicInventory', 'vaultCredentialsId', 'vaultTmpPath', 'disableHostKeyChecking']
    private final Jenkins jenkins

    Steps(Jenkins jenkins) { this.jenkins = jenkins }

    // --- values: parameters of an input, bindings of credentials ---
    Map choice(Map given) {
        only(given, 'name', 'choices', 'description')
        [kind: 'choice'] + given
    }

    Map string(Map given) {
        if (given.containsKey('credentialsId')) {
            only(given, 'credentialsId', 'variable')
            return [kind: 'secret'] + given
        }
        only(given, 'name', 'defaultValue', 'description', 'trim')
        [kind: 'text'] + given
    }

    Map usernamePassword(Map given) {
        only(given, 'credentialsId', 'usernameVariable', 'passwordVariable')
        [kind: 'login'] + given
    }

    // --- flow ---
    void echo(Object text) { jenkins.console << text.toString() }

    void error(Object text) { throw jenkins.abort(text.toString()) }

    void timeout(Map given) {
        only(given, 'time', 'unit')
        assert given.unit == 'SECONDS'
        jenkins.timeouts << (given.time as int)
    }

    /** The end of a step with a body, however the body ended. */
    void leave(String name) { (name == 'timeout' ? jenkins.timeouts : jenkins.contexts).pop() }

    /** One value alone is returned bare, two and more as a map; the one who answers counts as one. */
    Object input(Map given) {
        only(given, 'message', 'ok', 'submitter', 'submitterParameter', 'parameters', 'id', 'cancel')
        List parameters = given.parameters ?: []
        parameters.each { if (it.kind == 'choice' && !it.choices) { throw new PipelineError('no choices') } }
        jenkins.questions << [
            message: given.message.toString(), submitter: given.submitter, choices: parameters.collectMany { it.choices ?: [] },
            timeout: jenkins.timeouts ? jenkins.timeouts.last() : 0]
        if (!jenkins.answers) {
            throw new PipelineError('a question that the scenario has no answer for')
        }
        Map answer = jenkins.answers.remove(0)
        switch (answer.does) {
            case 'abort': throw jenkins.interruption('org.jenkinsci.plugins.workflow.support.steps.input.Rejection')
            case 'stop': throw jenkins.interruption('jenkins.model.CauseOfInterruption$UserInterruption')
            case 'timeout':
                if (!jenkins.timeouts) {
                    throw new PipelineError('this question would wait for ever')
                }
                throw jenkins.interruption('org.jenkinsci.plugins.workflow.steps.TimeoutStepExecution$ExceededTimeout')
        }
        Map values = parameters.collectEntries {
            [it.name, answer.values?.containsKey(it.name) ? answer.values[it.name] : it.defaultValue ?: it.choices?.first()]
        }
        if (given.submitterParameter) {
            values[given.submitterParameter] = answer.who
        }
        values.size() == 0 ? null : values.size() == 1 ? values.values().first() : values
    }

    /** Its values are expanded, which is a way to leak: EnvStep lays them over with overrideExpandingAll. */
    void withEnv(List given) {
        jenkins.contexts << given.collectEntries {
            List parts = it.toString().split('=', 2)
            [parts[0], jenkins.expanded(parts[1])]
        }
    }

    void withCredentials(List given) {
        Map over = [:]
        given.each { binding ->
            def found = jenkins.scenario.credentials[binding.credentialsId.toString()]
            if (!found) {
                throw jenkins.abort("Could not find credentials entry with ID '${binding.credentialsId}'")
            }
            if (binding.kind == 'login') {
                over[binding.usernameVariable] = found.username
                over[binding.passwordVariable] = found.password
            } else {
                over[binding.variable] = found.secret
            }
        }
        jenkins.contexts << over
    }

    // --- on an agent ---
    boolean fileExists(Object path) { at(path).exists() }

    String readFile(Map given) {
        only(given, 'file', 'encoding')
        at(given.file).getText(given.encoding ?: 'UTF-8')
    }

    Object readJSON(Map given) {
        only(given, 'file', 'text', 'returnPojo')
        assert given.returnPojo // without it the step returns objects of json-lib, which are not imitated here
        new JsonSlurperClassic().parse(at(given.file), 'UTF-8')
    }

    void archiveArtifacts(Map given) {
        only(given, 'artifacts', 'allowEmptyArchive', 'fingerprint', 'excludes')
        def root = at('.').toPath().normalize()
        def wanted = FileSystems.default.getPathMatcher("glob:${given.artifacts}")
        List found = []
        root.toFile().eachFileRecurse(FileType.FILES) { file ->
            if (wanted.matches(root.relativize(file.toPath()))) {
                found << file.path
            }
        }
        if (!found && !given.allowEmptyArchive) {
            throw jenkins.abort('No artifacts found')
        }
        jenkins.archived.addAll(found)
    }

    void sh(Object command) {
        at('.')
        started(['sh', '-xe', '-c', command.toString()], [:])
    }

    /** The plugin's own command line: AbstractAnsibleInvocation and AnsiblePlaybookInvocation. */
    void ansiblePlaybook(Map given) {
        Set unknown = given.keySet() - PLAYBOOK
        if (unknown) {
            throw new PipelineError("ansiblePlaybook has no parameter ${unknown}")
        }
        at('.')
        List words = ['ansible-playbook', jenkins.expanded(given.playbook), '-i', jenkins.expanded(given.inventory)]
        if (given.tags) {
            words += ['-t', jenkins.expanded(given.tags)]
        }
        if (given.checkMode) {
            words << '--check'
        }
        assert !given.extras
        given.extraVars.each { key, entry ->
            def value = entry instanceof Map ? entry.value : entry
            if (value == null || value instanceof Collection) {
                jenkins.console << "[WARN] extra variable ${key} is left out"
                return
            }
            String text = jenkins.expanded(value)
            if (value instanceof Boolean) {
                words += ['-e', "{\"${key}\": ${text}}".toString()]
            } else {
                words += ['-e', text =~ /\s/ ? "${key}='${text}'".toString() : "${key}=${text}".toString()]
            }
        }
        started(words, [PYTHONUNBUFFERED: '1'])
    }

    private void started(List words, Map more) {
        jenkins.console << "+ ${words.join(' ')}".toString()
        List environ = (jenkins.environment() + more).collect { key, value -> "${key}=${value}".toString() }
        // Java looks a program up by its own PATH; the step looks by the build's.
        Process process = (['/usr/bin/env'] + words).execute(environ, new File(jenkins.workspace))
        process.outputStream.close()
        def said = new ByteArrayOutputStream()
        process.waitForProcessOutput(said, said)
        jenkins.console << said.toString('UTF-8')
        if (process.exitValue()) {
            throw jenkins.abort("${words[0]} ended with ${process.exitValue()}")
        }
    }

    private File at(Object path) {
        if (!jenkins.workspace) {
            throw new PipelineError('Required context class hudson.FilePath is missing: there is no agent here')
        }
        new File(jenkins.workspace, path.toString())
    }

    private static void only(Map given, String... known) {
        Set unknown = given.keySet() - (known as Set)
        if (unknown) {
            throw new PipelineError("this step has no parameter ${unknown}")
        }
    }
}
