/** The declarative part: reads the directives of a block, then takes the stages in Jenkins' own order. */
class Declarative {
    private static final Map KNOWN = [
        pipeline: ['agent', 'options', 'parameters', 'environment', 'stages', 'post'] as Set,
        stage: ['agent', 'options', 'environment', 'when', 'steps', 'stages', 'post'] as Set,
    ]
    private final Jenkins jenkins
    private final Script script

    Declarative(Jenkins jenkins, Script script) {
        this.jenkins = jenkins
        this.script = script
    }

    void pipeline(Closure body) {
        Map block = directives('pipeline', body)
        Map given = jenkins.scenario.params
        read(block.parameters).each { entry ->
            Map parameter = entry.args[0]
            def first = parameter.choices instanceof String ? parameter.choices.readLines().first() : parameter.choices?.first()
            jenkins.params[parameter.name] = given.containsKey(parameter.name) ? given[parameter.name] : parameter.defaultValue ?: first ?: ''
        }
        Throwable failure = null
        try {
            jenkins.declared += assignments(block.environment)
            // Options are taken before the agent; a lock is waited for without an executor.
            read(block.options).each { option ->
                if (option.name == 'lock') {
                    jenkins.order << "lock ${option.args[0].resource}".toString()
                }
            }
            agent(block.agent)
            stages(block.stages)
        } catch (Throwable thrown) {
            failure = thrown
            settle(thrown)
        }
        post(block.post)
        if (failure instanceof Error && failure.class.simpleName in ['AssertionError', 'PowerAssertionError', 'NoSuchMethodError']) {
            throw failure // a mistake of the harness or of the Jenkinsfile, not an outcome
        }
    }

    private void stages(Closure body) {
        read(body).each { entry ->
            assert entry.name == 'stage'
            stage(entry.args[0], entry.args[1])
        }
    }

    private void stage(String name, Closure body) {
        Map block = directives('stage', body)
        String before = jenkins.workspace
        agent(block.agent)
        try {
            if (block.when && !read(block.when).every { asScript(it.args[0]).call() }) {
                return
            }
            jenkins.order << "stage ${name}".toString()
            jenkins.declared += assignments(block.environment)
            if (block.steps) {
                asScript(block.steps).call()
            }
            if (block.stages) {
                stages(block.stages)
            }
        } catch (Throwable thrown) {
            settle(thrown)
            throw thrown
        } finally {
            post(block.post)
            jenkins.workspace = before
        }
    }

    /** The result that an exception gives the build: an interruption its own, everything else FAILURE. */
    private void settle(Throwable thrown) {
        boolean interrupted = thrown.class.name.endsWith('FlowInterruptedException')
        jenkins.currentBuild.currentResult = interrupted ? 'ABORTED' : 'FAILURE'
        jenkins.console << (thrown.message ?: thrown.class.name)
    }

    private void post(Closure body) {
        if (!body) {
            return
        }
        String result = jenkins.currentBuild.currentResult
        List due = ['always', result.toLowerCase(), result == 'SUCCESS' ? '' : 'unsuccessful', 'cleanup']
        List entries = read(body)
        due.each { condition ->
            entries.findAll { it.name == condition }.each { asScript(it.args[0]).call() }
        }
    }

    private void agent(Object given) {
        if (given == null || given == 'none') {
            return
        }
        Map node = read(read(given).find { it.name == 'node' }.args[0]).collectEntries { [it.name, it.args[0].toString()] }
        assert node.label
        jenkins.order << "agent ${node.label} ${node.customWorkspace}".toString()
        jenkins.workspace = new File(jenkins.scenario.root, node.customWorkspace).path
    }

    private Map directives(String kind, Closure body) {
        List entries = read(body)
        List unknown = entries*.name - KNOWN[kind]
        if (unknown) {
            throw new IllegalArgumentException("a ${kind} has no ${unknown}")
        }
        entries.collectEntries { [it.name, it.args[0]] }
    }

    private List read(Closure body) {
        if (!body) {
            return []
        }
        Directives reader = new Directives(script)
        Closure own = body.rehydrate(reader, script, script)
        own.resolveStrategy = Closure.DELEGATE_FIRST
        own.call()
        reader.entries
    }

    private Map assignments(Closure body) {
        if (!body) {
            return [:]
        }
        Directives reader = new Directives(script)
        Closure own = body.rehydrate(reader, script, script)
        own.resolveStrategy = Closure.DELEGATE_FIRST
        own.call()
        reader.assigned
    }

    private Closure asScript(Closure body) { body.rehydrate(script, script, script) }
}
