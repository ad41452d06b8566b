import com.cloudbees.groovy.cps.Continuable
import com.cloudbees.groovy.cps.Outcome

/**
 * What a build is made of, as far as the Jenkinsfile needs it: parameters, environment, credentials, a console, and
 * the steps. Imitates behaviour that was read in the plugins' sources; it is no Jenkins. What it cannot show: the
 * script sandbox, agents, and the versions of plugins.
 */
class Jenkins implements Serializable {
    private static final long serialVersionUID = 1L
    static Jenkins running // one build at a time

    Map scenario
    Map params = [:]
    Map declared = [:] // environment {} of the pipeline and its stages
    Map assigned = [:] // env.NAME = value
    List<Map> contexts = [] // what withEnv and withCredentials lay over it, innermost last
    List<String> console = []
    List<Map> steps = []
    List<Map> questions = []
    List<String> archived = []
    List<String> order = [] // lock, agent, stages: what came after what
    List<Integer> timeouts = []
    List<Map> answers
    String workspace // null where there is no agent
    String description
    String result = 'SUCCESS'
    Engine engine
    int called = 0 // steps that the program has called: each has to suspend it

    private Object writeReplace() { new BuildReference() }

    // --- what the program calls ---

    /** Call a step, or make a value such as a parameter of an input. */
    Object call(Pipeline program, String name, List args) {
        List given = args.collect { flat(it) }
        if (name == 'pipeline') {
            return engine.transformed('Declarative', this, program).pipeline(*given)
        }
        if (name in Steps.VALUES) {
            return new Steps(this)."$name"(*given)
        }
        if (name in Steps.BLOCKS) {
            return engine.transformed('BlockSteps', this)."$name"(*given)
        }
        if (!Steps.metaClass.respondsTo(Steps, name)) {
            throw new PipelineError("No such DSL method '${name}' found among steps")
        }
        suspended(name, new Request(name, given))
    }

    Object enter(String name, Object given) { suspended('enter', new Request(name, [given])) }

    Object leave(String name) { suspended('leave', new Request('leave', [name])) }

    private Object suspended(String method, Request request) {
        called++
        Continuable.suspend(method, request)
    }

    boolean isKnown(String name) { name in ['env', 'params', 'currentBuild'] || environment().containsKey(name) }

    Object variable(String name) {
        switch (name) {
            case 'env': return new Env(this)
            case 'params': return Collections.unmodifiableMap(params)
            case 'currentBuild': return new CurrentBuild(this)
        }
        environment()[name]
    }

    /** As DSL.flattenGString does: a step gets text, never a GString. */
    private static Object flat(Object value) {
        switch (value) {
            case GString: return value.toString()
            case Map: return value.collectEntries { key, item -> [flat(key), flat(item)] }
            case List: return value.collect { flat(it) }
        }
        value
    }

    /** Do what the program waits for. */
    Outcome performed(Request request) {
        steps << [name: request.name, args: request.args.toString()]
        try {
            return new Outcome(new Steps(this)."${request.name}"(*request.args), null)
        } catch (PipelineError | AssertionError | GroovyRuntimeException failed) {
            throw new PipelineError("${request.name}: ${failed.message}", failed)
        } catch (Throwable thrown) {
            return new Outcome(null, thrown)
        }
    }

    // --- what Declarative calls ---

    void declare(List parameters) {
        parameters.each { entry ->
            Map parameter = entry.args[0]
            def first = parameter.choices instanceof String ? parameter.choices.readLines().first() : parameter.choices?.first()
            params[parameter.name] = scenario.params.containsKey(parameter.name) ?
                scenario.params[parameter.name] : parameter.defaultValue ?: first ?: ''
        }
    }

    void lock(List options) {
        options.findAll { it.name == 'lock' }.each { order << "lock ${it.args[0].resource}".toString() }
    }

    void allocate(String label, String folder) {
        assert label
        order << "agent ${label} ${folder}".toString()
        workspace = new File(scenario.root, folder).path
    }

    void enterStage(String name) { order << "stage ${name}".toString() }

    List<String> postConditions() {
        ['always', result.toLowerCase(), result == 'SUCCESS' ? '' : 'unsuccessful', 'cleanup']
    }

    /** The result that an exception gives the build: an interruption its own, everything else FAILURE. */
    void settle(Throwable thrown) {
        if (thrown instanceof PipelineError) {
            throw thrown
        }
        if (thrown instanceof Error || thrown instanceof GroovyRuntimeException) {
            throw new PipelineError("the Jenkinsfile has an error: ${thrown}", thrown)
        }
        result = thrown.class.name.endsWith('FlowInterruptedException') ? 'ABORTED' : 'FAILURE'
        console << (thrown.message ?: thrown.class.name)
    }

    // --- what the steps need ---

    Map environment() {
        Map all = [:] + scenario.environ + [
            BUILD_NUMBER: '7', BUILD_URL: 'https://jenkins.example.com/job/rollback/7/', JOB_NAME: 'rollback']
        params.each { key, value -> all[key] = value.toString() }
        if (workspace) {
            all.WORKSPACE = workspace
        }
        all + declared + assigned + (contexts.sum() ?: [:])
    }

    /** hudson.Util.replaceMacro: $NAME and ${NAME} that are known are replaced, $$ is a dollar. */
    String expanded(Object text) {
        Map known = environment()
        text.toString().replaceAll(/\$(\$|\w+|\{[^}]+\})/) { whole, name ->
            name == '$' ? '$' : known.containsKey(bare(name)) ? known[bare(name)] : whole
        }
    }

    private static String bare(String name) { name.startsWith('{') ? name[1..-2] : name }

    Throwable interruption(String cause) {
        def causeClass = engine.standIns.loadClass(cause)
        engine.standIns.loadClass('org.jenkinsci.plugins.workflow.steps.FlowInterruptedException')
            .newInstance('ABORTED', causeClass.newInstance())
    }

    Throwable abort(String message) { engine.standIns.loadClass('hudson.AbortException').newInstance(message) }
}
